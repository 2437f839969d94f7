# /// analyst
# description = "Tells when the revenue of a product line drops against its own past."
# # schedule = "0 8 * * MON-FRI"  # without one: every five minutes
# cooldown = "1h"
# priority = "high"
# tags = ["revenue", "sample"]
# ///
"""Drop alert: compare the newest month of each product line with the mean of the three months before it.

The data is real: monthly prices of five shares, 2000 to 2010, from the vega-datasets package, queried with DuckDB. They stand in for the revenue of five
product lines. To have something new to say at each run, "today" moves on by a month every ten seconds (or to the month number in ANALYST_SAMPLE_STEP).
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

DROP_PERCENT = 5
MONTHS_SHOWN = 18

QUERY = """
    WITH revenue AS (
        SELECT symbol AS line, strptime(date, '%b %-d %Y')::DATE AS month, price AS amount FROM read_csv(?, types = {'date': 'VARCHAR'})
    ), compared AS (
        SELECT *, avg(amount) OVER (PARTITION BY line ORDER BY month ROWS BETWEEN 3 PRECEDING AND 1 PRECEDING) AS usual FROM revenue
    ), today AS (
        SELECT month FROM compared GROUP BY month ORDER BY month OFFSET ? LIMIT 1
    )
    SELECT line, month, amount, usual, 100 * (amount / usual - 1) AS change FROM compared
    WHERE month <= (SELECT month FROM today) AND month > (SELECT month FROM today) - INTERVAL 18 MONTH
    ORDER BY line, month
"""


def main() -> None:
    """Look, and say what there is to say."""
    step = int(os.environ.get("ANALYST_SAMPLE_STEP") or time.time() // 10)
    rows = duckdb.execute(QUERY, [local_data.stocks.filepath, MONTHS_SHOWN + step % 100]).fetchall()
    today = max(month for _, month, *_ in rows)
    compared = [row for row in rows if row[1] == today and row[4] is not None]  # a line that is new has no past
    line, _, amount, usual, change = min(compared, key=lambda row: row[4])
    if change > -DROP_PERCENT:
        print(
            json.dumps(
                {
                    "notify": False,
                    "title": f"No drop in {today:%B %Y}",
                    "message": f"The weakest line is {line}: {change:+.1f} %.",
                }
            )
        )
        return
    history = [(month, value) for name, month, value, *_ in rows if name == line]
    print(
        json.dumps(
            {
                "notify": True,
                "title": f"Revenue of {line} down {-change:.1f} %",
                "message": f"**{line}** made {amount:,.2f} in {today:%B %Y}.\n\n"
                f"- three months before, on average: {usual:,.2f}\n- change: {change:+.1f} %\n- alert below: -{DROP_PERCENT} %",
                "priority": "critical" if change < -20 else "high",
                "key": f"revenue_drop:{line}",
                "image_path": picture(line, history, usual),
                "image_alt": f"Line chart of {line} over {len(history)} months, ending {-change:.1f} % below its usual {usual:,.2f}.",
                "chart": {
                    "kind": "line",
                    "title": f"{line}, monthly",
                    "x": [f"{month:%Y-%m}" for month, _ in history],
                    "series": [{"name": line, "y": [round(value, 2) for _, value in history]}],
                    "mark": len(history) - 1,
                },
                "data": {
                    "line": line,
                    "month": f"{today:%Y-%m}",
                    "amount": amount,
                    "usual": round(usual, 2),
                    "change_percent": round(change, 1),
                },
            }
        )
    )


def picture(line: str, history: list, usual: float) -> str:
    """Draw the chart and return its path; the runner gives a folder and clears it away."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4.5), dpi=110, layout="constrained")
    months, values = zip(*history, strict=True)
    axes.plot(months, values, color="#2563eb", linewidth=2)
    axes.axhline(usual, color="#6b7280", linestyle="--", linewidth=1, label="three months before, on average")
    axes.plot(months[-1], values[-1], "o", color="#dc2626", markersize=9)
    axes.annotate(
        f"{values[-1]:,.2f}",
        (months[-1], values[-1]),
        xytext=(-8, -16),
        textcoords="offset points",
        ha="right",
        color="#dc2626",
    )
    axes.set_title(f"Revenue of {line}")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    path = Path(os.environ.get("ANALYST_RUN_DIR") or tempfile.mkdtemp(prefix="analyst-sample-")) / "revenue_drop.png"
    figure.savefig(path)
    return str(path)


main()
