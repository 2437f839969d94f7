# /// analyst
# description = "Tells when the newest row of a table is too old, and when it is fresh again."
# cooldown = "2h"
# tags = ["freshness", "sample"]
# ///
"""Freshness check: has the load run? It says "firing" while the table is stale and "resolved" when it is fresh again; only the change is announced at
once, the rest is held back by the cooldown.

The data is real: hourly temperatures of Seattle in 2010 from the vega-datasets package, queried with DuckDB. The clock moves on by three hours every ten
seconds (or to the step in ANALYST_SAMPLE_STEP), and the pretended load stands still for a while every now and then.
"""

import json
import os
import sys
import time
from datetime import datetime, timedelta

try:
    import duckdb
    from vega_datasets import local_data
except ImportError as exc:
    sys.exit(f"this sample needs: python -m pip install duckdb matplotlib pandas vega-datasets ({exc})")

STALE_AFTER = timedelta(hours=6)
STEPS_A_STORY, STEPS_STALLED = 7, 3  # of seven steps, the load stands still in the last three


def main() -> None:
    """Look, and say what there is to say."""
    step = int(os.environ.get("ANALYST_SAMPLE_STEP") or time.time() // 10) % 2_000
    now = datetime(2010, 2, 1) + timedelta(hours=3 * step)
    stalled_steps = max(0, step % STEPS_A_STORY - (STEPS_A_STORY - STEPS_STALLED) + 1)
    loaded_until = now - timedelta(hours=1 + 4 * stalled_steps)
    newest, rows = duckdb.execute(
        "SELECT max(date), count(*) FROM read_csv(?, types = {'date': 'TIMESTAMP'}) WHERE date <= ?",
        [local_data.seattle_temps.filepath, loaded_until],
    ).fetchone()
    age = now - newest
    hours = age.total_seconds() / 3600
    stale = age > STALE_AFTER
    print(
        json.dumps(
            {
                "notify": stale or stalled_steps == 0,
                "title": f"Temperatures are {hours:.0f} h old"
                if stale
                else f"Temperatures are fresh: {hours:.0f} h old",
                "message": f"The newest row is of {newest:%d %B %Y %H:%M}, {hours:.0f} h before {now:%d %B %H:%M}; {rows:,} rows are loaded.\n\n"
                + (
                    f"The table counts as stale after {STALE_AFTER.seconds // 3600} h. Has the load run?"
                    if stale
                    else "Nothing to do."
                ),
                "status": "firing" if stale else "resolved",
                "priority": "high" if stale else "low",
                "key": "freshness:seattle_temps",
                "data": {"newest": newest.isoformat(), "age_hours": round(hours, 1), "rows": rows},
            }
        )
    )


main()
