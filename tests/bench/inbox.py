"""Figures of `analyst inbox` on a real pseudo-terminal, as ratios to a Textual hello-world of the same run. Prints a table and a line of JSON.

What is measured, on the terminal's side: process start to the first row on screen; key to the last byte of its repaint, quiet and while 200
notifications a second arrive; bytes a key; memory; CPU while nobody types. And, inside a process, search at 100,000 notifications.

Run: make bench, or: python tests/bench/inbox.py [--quick]
"""

import fcntl
import json
import os
import pty
import select
import signal
import sqlite3
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from analyst_cli.client.accounts import Account, inbox_path, remember  # noqa: E402
from analyst_cli.client.inbox import Inbox  # noqa: E402
from analyst_cli.client.rows import Filter, rfc3339  # noqa: E402
from analyst_server.wire.messages import Cursor, Notification  # noqa: E402

COLUMNS, LINES = 120, 40
IDLE_S = 5.0
HELLO = """
from textual.app import App
from textual.widgets import Static
class Hello(App):
    BINDINGS = [("j", "x", "x")]
    def compose(self): yield Static("row-hello")
    def action_x(self): pass
Hello().run()
"""
WORDS = [
    "revenue",
    "orders",
    "signups",
    "churn",
    "latency",
    "freshness",
    "europe",
    "america",
    "forecast",
    "median",
    "checkout",
    "payments",
]


class Terminal:
    """A program on a pseudo-terminal of its own."""

    def __init__(self, argv: list[str], environ: dict[str, str]) -> None:
        self.started = time.perf_counter()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(argv[0], argv, environ)  # noqa: S606
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))

    def read(self) -> bytes:
        """Read what the program has written, and answer its question for attributes as every terminal does."""
        data = os.read(self.fd, 65536)
        if b"\x1b[c" in data:
            os.write(self.fd, b"\x1b[?62;c")
        return data

    def wait_for(self, words: bytes, limit_s: float = 30) -> float:
        """Return the seconds from the start until the words were written."""
        seen, end = b"", time.perf_counter() + limit_s
        while time.perf_counter() < end:
            if select.select([self.fd], [], [], 0.2)[0]:
                seen += self.read()
                if words in seen:
                    return time.perf_counter() - self.started
        raise SystemExit(f"{words!r} never came; the program wrote {seen[-2000:]!r}")

    def drain(self, quiet_s: float, limit_s: float = 3) -> tuple[float | None, int]:
        """Read until nothing has come for a while; return when the last byte came, and how many there were."""
        last, count, end = None, 0, time.perf_counter() + limit_s
        while time.perf_counter() < end and select.select([self.fd], [], [], quiet_s)[0]:
            count += len(self.read())
            last = time.perf_counter()
        return last, count

    def press(self, key: bytes) -> tuple[float, int]:
        """Press a key; return the milliseconds until the first of its output, and the bytes until it is quiet."""
        begin = time.perf_counter()
        os.write(self.fd, key)
        if not select.select([self.fd], [], [], 3)[0]:
            return float("nan"), 0
        first = time.perf_counter()
        _, count = self.drain(0.03, 0.2)
        return (first - begin) * 1000, count

    def cpu_s(self) -> float:
        parts = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024

    def end(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def build(path: Path, count: int, *, searchable: bool) -> None:
    """Fill a store without going through a connection: the rows are the same, a million takes seconds instead of minutes."""
    Inbox(path).close()
    db = sqlite3.connect(path)
    triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        db.execute(f"DROP TRIGGER {name}")
    now = time.time()

    def rows():
        for number in range(count):
            word = WORDS[number % len(WORDS)]
            title = f"row-{number:07} {word} {WORDS[number // 7 % len(WORDS)]}"
            id_ = f"id-{number:07}"
            message = " ".join(WORDS[(number * step) % len(WORDS)] for step in range(1, 20)) if searchable else word
            body = json.dumps({"id": id_, "title": title, "message": message, "timestamp": rfc3339(now)})
            yield (
                id_,
                number,
                now - (count - number) * 30,
                number % 3 != 0,
                number % 4,
                f"script_{number % 9}",
                title,
                message,
                body,
            )

    db.executemany(
        "INSERT INTO notification (id, seq, at, is_read, level, script, title, message, body) VALUES (?,?,?,?,?,?,?,?,?)",
        rows(),
    )
    db.execute("UPDATE tally SET listed = ?, unread = (SELECT count(*) FROM notification WHERE is_read = 0)", (count,))
    if searchable:
        db.execute("INSERT INTO search (search) VALUES ('rebuild')")
    for _, sql in triggers:
        db.execute(sql)
    db.commit()
    db.close()


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def measure_store(home: Path, count: int, runs: int, hello: list[float]) -> dict[str, object]:
    environ = environment(home)
    argv = [sys.executable, "-m", "analyst_cli", "inbox", "--offline"]
    ratios, firsts = [], []
    for run in range(runs):
        hello.append(first_paint([sys.executable, "-c", HELLO], environ, b"row-hello"))
        terminal = Terminal(argv, environ)
        firsts.append(terminal.wait_for(f"row-{count - 1:07}".encode()))
        ratios.append(firsts[-1] / hello[-1])
        if run < runs - 1:
            terminal.end()
    terminal.drain(0.5)
    found: dict[str, object] = {"first_row_s": statistics.median(firsts), "first_row_ratio": statistics.median(ratios)}
    found["down_ms"], found["down_bytes"] = keys(terminal, b"j", 30)
    keys(terminal, b"g", 1)
    found["page_ms"], found["page_bytes"] = keys(terminal, b"\x1b[6~", 2 if count <= 1_000 else 12)
    found["end_ms"], _ = keys(terminal, b"G", 1)
    keys(terminal, b"g", 1)
    if count <= 1_000:
        before = terminal.cpu_s()
        begin = time.perf_counter()
        while time.perf_counter() - begin < IDLE_S:
            terminal.drain(0.5, 0.5)
            time.sleep(0.1)
        found["idle_cpu_share"] = (terminal.cpu_s() - before) / (time.perf_counter() - begin)
        found["busy_ms"], _ = keys_while_arriving(terminal, home)
    found["rss_mb"] = terminal.rss_mb()
    terminal.end()
    return found


def keys(terminal: Terminal, key: bytes, count: int) -> tuple[tuple[float, float], float]:
    pressed = [terminal.press(key) for _ in range(count)]
    times = [ms for ms, _ in pressed]
    return (percentile(times, 0.5), percentile(times, 0.95)), statistics.median(size for _, size in pressed)


def keys_while_arriving(terminal: Terminal, home: Path) -> tuple[tuple[float, float], int]:
    stop = threading.Event()

    def arrive() -> None:
        with Inbox(store(home)) as inbox:
            number = 0
            while not stop.wait(0.05):
                batch = [
                    Notification(
                        id=f"live-{number + n}", title=f"live {number + n}", message="x", timestamp=rfc3339(time.time())
                    )
                    for n in range(10)
                ]
                number += 10
                inbox.apply(batch, cursor=Cursor("bench", 10_000_000 + number))

    thread = threading.Thread(target=arrive)
    thread.start()
    terminal.drain(0.3, 1)
    times = []
    for _ in range(40):
        while select.select([terminal.fd], [], [], 0.02)[
            0
        ]:  # a repaint of arrivals is under way: let it end, then type
            terminal.read()
        times.append(terminal.press(b"j")[0])
    stop.set()
    thread.join()
    return (percentile(times, 0.5), percentile(times, 0.95)), len(times)


def first_paint(argv: list[str], environ: dict[str, str], words: bytes) -> float:
    terminal = Terminal(argv, environ)
    taken = terminal.wait_for(words)
    terminal.end()
    return taken


def search_times(path: Path) -> list[float]:
    times = []
    with Inbox(path) as inbox:
        for word in ("revenue", "checkout pay", "row-00420", "europe median", "xyzzy"):
            for end in range(1, len(word) + 1):
                begin = time.perf_counter()
                inbox.view(Filter(search=word[:end])).rows(0, LINES)
                times.append((time.perf_counter() - begin) * 1000)
    return times


def store(home: Path) -> Path:
    os.environ["XDG_DATA_HOME"] = str(home / "data")
    account = Account("http://127.0.0.1:9", "bench")
    remember(account)
    return inbox_path(account)


def environment(home: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return kept | {
        "HOME": str(home), "XDG_DATA_HOME": str(home / "data"), "XDG_CONFIG_HOME": str(home / "config"), "TERM": "xterm-256color",
        "COLORTERM": "truecolor", "PYTHONPATH": str(ROOT), "ANALYST_SERVER": "http://127.0.0.1:9",
    }  # fmt: skip


def main() -> None:
    quick = "--quick" in sys.argv
    subprocess.run(
        [sys.executable, "-m", "compileall", "-q", str(ROOT / "analyst_cli"), str(ROOT / "analyst_server")], check=False
    )
    hello: list[float] = []
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in (100,) if quick else (100, 1_000_000):
            home = Path(folder) / str(count)
            path = store(home)
            path.parent.mkdir(parents=True)
            build(path, count, searchable=False)
            found[str(count)] = measure_store(home, count, 3 if quick else 7, hello)
        searchable = Path(folder) / "search.db"
        build(searchable, 10_000 if quick else 100_000, searchable=True)
        times = search_times(searchable)
    baseline = statistics.median(hello)
    print(f"{'Textual hello-world, first paint':44} {baseline * 1000:7.0f} ms")
    for count, figures in found.items():
        ratio = figures["first_row_ratio"]
        print(
            f"{f'first row at {int(count):,}':44} {figures['first_row_s'] * 1000:7.0f} ms   {ratio:.2f} x hello-world (goal 1.25)"
        )
        print(
            f"{'  down: p50, p95; bytes':44} {figures['down_ms'][0]:7.1f} ms   {figures['down_ms'][1]:.1f} ms; {figures['down_bytes']:.0f}"
        )
        print(
            f"{'  page down: p50, p95; bytes':44} {figures['page_ms'][0]:7.1f} ms   {figures['page_ms'][1]:.1f} ms; {figures['page_bytes']:.0f}"
        )
        print(f"{'  to the oldest':44} {figures['end_ms'][0]:7.1f} ms")
        print(f"{'  memory':44} {figures['rss_mb']:7.0f} MB")
        if "idle_cpu_share" in figures:
            print(f"{'  CPU while idle':44} {figures['idle_cpu_share'] * 100:7.2f} % of a core (goal 1)")
            print(
                f"{'  down while 200/s arrive: p50, p95':44} {figures['busy_ms'][0]:7.1f} ms   {figures['busy_ms'][1]:.1f} ms (goal 33)"
            )
    print(
        f"{'search as typed: p50, p95':44} {percentile(times, 0.5):7.2f} ms   {percentile(times, 0.95):.2f} ms (goal 10)"
    )
    print(json.dumps({"hello_s": baseline, "search_p95_ms": percentile(times, 0.95), **found}))


if __name__ == "__main__":
    main()
