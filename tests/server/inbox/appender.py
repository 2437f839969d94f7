"""Another process on the same log: append to it, and print what is heard meanwhile. Usage: appender.py FILE NAME COUNT"""

import asyncio
import sys
from pathlib import Path

from analyst_server.inbox.log import Event, NotificationDraft, User
from analyst_server.inbox.sqlite import open_sqlite_inbox


async def main(path: str, name: str, count: int) -> None:
    heard: list[Event] = []
    async with open_sqlite_inbox(Path(path)) as inbox:
        inbox.subscribe(User("petr"), heard.append)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)  # all begin together
        for i in range(count):
            await inbox.append(NotificationDraft(User("petr"), f"{name}-{i}", b"{}"))
        print("done", flush=True)
        await asyncio.to_thread(sys.stdin.readline)  # all have finished
        last = await inbox.append(NotificationDraft(User("petr"), f"{name}-last", b"{}"))
        while not heard or heard[-1].seq < last.seq:
            await asyncio.sleep(0.01)
    print(" ".join(str(event.seq) for event in heard if event.seq <= last.seq), flush=True)


asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
