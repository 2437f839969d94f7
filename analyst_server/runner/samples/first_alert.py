# /// analyst
# description = "The smallest script: it says something when a number is too small."
# cooldown = "1h"
# ///
"""Your first alert: needs nothing but Python. Change the question, then the answer.

A script prints one JSON object. With `"notify": true` its title and message go to your inbox, at most once in its cooldown.
"""

import json
import shutil

free = shutil.disk_usage("/")
percent = 100 * free.free / free.total

print(
    json.dumps(
        {
            "notify": percent < 100,  # you will want a smaller number here
            "title": f"{percent:.0f} % of the disk is free",
            "message": f"{free.free / 1e9:.1f} GB of {free.total / 1e9:.1f} GB.",
        }
    )
)
