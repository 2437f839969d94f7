"""Announcements from within a real tmux: they reach the terminal around it where it lets them through, else the bell does."""

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SHOW = (
    "import sys; sys.path.insert(0, {root!r})\n"
    "from analyst_cli.client import native\n"
    "native._TMUX_TIMEOUT_S = 30\n"  # a busy machine may keep tmux waiting
    "from analyst_cli.client.quiet import Announcement\n"
    "print(native.Notifier(via='auto', write=sys.stderr.write).show(Announcement('Revenue', 'drop')))\n"
    "sys.stderr.flush(); import time; time.sleep(30)\n"
)


@pytest.mark.real("tmux")
@pytest.mark.parametrize(("passthrough", "expected"), [("on", b"\x1b]9;Revenue: drop\x07"), ("off", b"bell")])
def test_an_announcement_passes_tmux_only_where_it_is_let_through(
    tmp_path: Path, passthrough: str, expected: bytes
) -> None:
    (tmp_path / "conf").write_text(f"set -g allow-passthrough {passthrough}\n")
    (tmp_path / "show.py").write_text(SHOW.format(root=str(ROOT)))
    server = ["tmux", "-S", str(tmp_path / "tmux"), "-f", str(tmp_path / "conf")]
    environ = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "TERM": "xterm",
        "LC_TERMINAL": "iTerm2",
        "LANG": "C.UTF-8",
    }
    master, slave = pty.openpty()
    session = subprocess.Popen(
        ["setsid", "--ctty", "--wait", *server, "new-session", "-x", "80", "-y", "24", f"{sys.executable} {tmp_path / 'show.py'}"],
        stdin=slave, stdout=slave, stderr=slave, env=environ,
    )  # fmt: skip
    os.close(slave)
    try:
        seen, end = b"", time.monotonic() + 30
        while expected not in seen:
            left = end - time.monotonic()
            assert left > 0, seen
            if select.select([master], [], [], left)[0]:
                seen += os.read(master, 65_536)
        assert (b"\x1b]9;" in seen) is (passthrough == "on")
    finally:
        subprocess.run([*server, "kill-server"], env=environ, check=False, capture_output=True)
        session.wait(10)
        os.close(master)
