# /// analyst
# description = "Reports the monthly employment figures, every working day at 7:30."
# schedule = "30 7 * * MON-FRI"
# timezone = "Europe/Prague"
# cooldown = "30m"
# tags = ["report", "sample"]
# ///
"""Metric report: the figures of the newest month and what moved them, whether good or bad.

The data is real: US employment by sector, 2006 to 2015, from the vega-datasets package, queried with DuckDB. "Today" moves on by a month every ten seconds
(or to the month number in ANALYST_SAMPLE_STEP), so that each run has another report.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

try:
    import duckdb
    import matplotlib as mpl
    from vega_datasets import local_data
except ImportError as exc:
    sys.exit(f"this sample needs: python -m pip install duckdb matplotlib pandas vega-datasets ({exc})")

SECTORS = (
    "construction",
    "manufacturing",
    "retail_trade",
    "financial_activities",
    "education_and_health_services",
    "leisure_and_hospitality",
    "government",
)

QUERY = f"""
    WITH sectors AS (
        UNPIVOT (SELECT month, {", ".join(SECTORS)} FROM read_csv(?)) ON {", ".join(SECTORS)} INTO NAME sector VALUE jobs
    ), changes AS (
        SELECT month, sector, jobs, (jobs - lag(jobs) OVER (PARTITION BY sector ORDER BY month))::INTEGER AS change FROM sectors
    ), today AS (
        SELECT DISTINCT month FROM changes ORDER BY month OFFSET ? LIMIT 1
    )
    SELECT month, sector, jobs, change FROM changes WHERE month = (SELECT month FROM today) ORDER BY change DESC
"""


def main() -> None:
    """Look, and say what there is to say."""
    step = int(os.environ.get("ANALYST_SAMPLE_STEP") or time.time() // 10)
    rows = duckdb.execute(QUERY, [local_data.us_employment.filepath, 1 + step % 118]).fetchall()
    month = rows[0][0]
    total = sum(change for *_, change in rows)
    names = [sector.replace("_and_", " & ").replace("_", " ") for _, sector, _, _ in rows]
    changes = [change for *_, change in rows]
    table = "\n".join(f"- {name}: {change:+d},000" for name, change in zip(names, changes, strict=True))
    print(
        json.dumps(
            {
                "notify": True,
                "title": f"Employment in {month:%B %Y}: {total:+d},000 jobs",
                "message": f"{'More' if total > 0 else 'Fewer'} jobs than the month before, strongest first:\n\n{table}",
                "priority": "normal" if total > -300 else "high",
                "image_path": picture(names, changes, f"{month:%B %Y}"),
                "image_alt": f"Bar chart of the monthly change in {len(names)} sectors, from {names[0]} {changes[0]:+d},000 to {names[-1]} {changes[-1]:+d},000.",
                "chart": {
                    "kind": "bar",
                    "title": f"Change of jobs in thousands, {month:%B %Y}",
                    "x": names,
                    "series": [{"name": "change", "y": changes}],
                    "mark": len(changes) - 1 if total < 0 else 0,
                },
                "data": {"month": f"{month:%Y-%m}", "total_change_thousands": total},
            }
        )
    )


def picture(names: list, changes: list, month: str) -> str:
    """Draw the chart and return its path; the runner gives a folder and clears it away."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4.5), dpi=110, layout="constrained")
    bars = axes.barh(names, changes, color=["#16a34a" if change >= 0 else "#dc2626" for change in changes])
    axes.bar_label(bars, fmt="%+d", padding=4)
    axes.margins(x=0.15)
    axes.axvline(0, color="#6b7280", linewidth=1)
    axes.invert_yaxis()
    axes.set_title(f"Change of jobs in thousands, {month}")
    axes.spines[["top", "right"]].set_visible(False)
    path = (
        Path(os.environ.get("ANALYST_RUN_DIR") or tempfile.mkdtemp(prefix="analyst-sample-")) / "employment_report.png"
    )
    figure.savefig(path)
    return str(path)


main()
