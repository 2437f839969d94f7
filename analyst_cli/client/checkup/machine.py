"""Checks of this machine: settings, folders, local inbox, token, keyring, link handler, terminal, notifications, background service. No network."""

import os
import shutil
import stat
import sys
import time
from collections.abc import Iterator, Mapping

from analyst_cli import config, paths
from analyst_cli.client import accounts, credentials
from analyst_cli.client.checkup.finding import Finding, failed, fine, skipped, warned
from analyst_cli.client.inbox import Inbox
from analyst_cli.errors import AnalystError

__all__ = ["machine_findings"]

_LEAST_FREE_BYTES = 200 * 1024 * 1024
_LARGE_STORE_BYTES = 2 * 1024**3
_EXPIRES_SOON_S = 3 * 86_400.0


def machine_findings(server: str, *, environ: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Look at everything that needs no network."""
    yield _settings()
    yield from _folders()
    yield _disk()
    yield _store(server)
    yield _token(server)
    yield _keyring()
    yield _link_handler()
    yield _terminal(environ)
    yield _notifications(environ)
    yield _background()


def _settings() -> Finding:
    try:
        held = config.held_settings()
    except AnalystError as problem:
        return failed("settings", problem.problem, problem.way_out)
    gap = config.quiet_hours_gap({one.setting.key: one.value for one in held})
    if gap:
        return warned("settings", gap, "set both ends, or neither: analyst config set, analyst config unset")
    changed = [one.setting.key for one in held if one.origin != "default"]
    names = f" ({', '.join(changed)})" if changed else ""
    return fine("settings", f"{paths.config_file()}: {len(changed)} set{names}")


def _folders() -> Iterator[Finding]:
    for name, folder in (
        ("settings folder", paths.config_dir()),
        ("data folder", paths.data_dir()),
        ("state folder", paths.state_dir()),
    ):
        if not folder.exists():
            yield skipped(name, f"{folder} does not exist yet; it is made when it is needed")
            continue
        about = folder.stat()
        if not os.access(folder, os.W_OK | os.X_OK):
            yield failed(name, f"{folder} cannot be written", f"chown {os.getuid()} {folder} && chmod 700 {folder}")
        elif about.st_uid != os.getuid():
            yield warned(name, f"{folder} belongs to another user ({about.st_uid})", f"chown -R {os.getuid()} {folder}")
        else:
            yield fine(name, str(folder))


def _disk() -> Finding:
    place = paths.data_dir()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    detail = f"{free / 1024**3:.1f} GiB free at {place}"
    return (
        fine("disk", detail)
        if free >= _LEAST_FREE_BYTES
        else failed("disk", detail, "free some space: notifications cannot be stored")
    )


def _store(server: str) -> Finding:
    account = accounts.last_account(server)
    path = None if account is None else accounts.inbox_path(account)
    if path is None or not path.exists():
        return skipped("local inbox", f"none of {server} is here yet; analyst watch or analyst inbox makes it")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return failed("local inbox", f"{path} can be read by others (mode {mode:04o})", f"chmod 600 {path}")
    try:
        with Inbox(path) as inbox:
            damage = inbox.damage()
            counted, pending = inbox.newest_pos(), len(inbox.pending())
            unread = inbox.unread_count()
    except AnalystError as problem:
        return failed("local inbox", problem.problem, problem.way_out)
    if damage:
        return failed(
            "local inbox",
            f"{path} is damaged ({damage})",
            f"mv {path} {path}.damaged; the server sends what it still keeps",
        )
    size = path.stat().st_size
    detail = f"{path}: {counted} received, {unread} unread, {pending} marks to be sent, {size / 1024**2:.1f} MiB"
    if size > _LARGE_STORE_BYTES:
        return warned("local inbox", detail, "keep fewer: analyst config set inbox.keep 10000")
    return fine("local inbox", detail)


def _token(server: str) -> Finding:
    try:
        token = credentials.find_token(server)
        claims = credentials.claims_of(token.value)
    except AnalystError as problem:
        return failed("token", problem.problem, problem.way_out)
    except ValueError as problem:
        return warned(
            "token",
            f"it is no JWT ({problem}); only the server can tell whether it is good",
            "see the WebSocket check below",
        )
    where = f"of {claims.username}, from {token.origin}"
    if claims.expires_at is None:
        return fine("token", f"{where}, without an end")
    left_s = claims.expires_at - time.time()
    until = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(claims.expires_at))
    if left_s < 0:
        return failed("token", f"{where}, expired {until}", f"sign in again: analyst login --server {server}")
    if left_s < _EXPIRES_SOON_S and token.origin == "ANALYST_TOKEN":
        return warned(
            "token", f"{where}, ends {until} and is not renewed by itself", "put a new one into ANALYST_TOKEN"
        )
    return fine("token", f"{where}, valid until {until}")


def _keyring() -> Finding:
    if os.environ.get("ANALYST_TOKEN"):
        return skipped("keyring", "ANALYST_TOKEN is set, so it is not asked")
    works, detail = credentials.keyring_state()
    if works:
        return fine("keyring", detail)
    remedy = (
        "start a Secret Service (gnome-keyring, KeePassXC); until then the token lies in a file that only you can read"
    )
    return warned("keyring", detail, remedy)


def _link_handler() -> Finding:
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return skipped("link handler", "no desktop here; analyst login uses a code instead")
    from analyst_cli.client.url_handler import is_installed  # noqa: PLC0415

    if is_installed():
        return fine("link handler", "keboola-analyst:// links come to analyst")
    return warned("link handler", "keboola-analyst:// links do not come to analyst", "analyst login --install-handler")


def _terminal(environ: Mapping[str, str]) -> Finding:
    if not sys.stdout.isatty():
        return skipped("terminal", "standard output is no terminal")
    size, term = shutil.get_terminal_size(), environ.get("TERM", "")
    encoding = (sys.stdout.encoding or "").lower()
    colors = (
        "16 million colours"
        if environ.get("COLORTERM") in {"truecolor", "24bit"}
        else "256 colours"
        if "256" in term
        else "16 colours"
    )
    detail = f"{term or 'no TERM'}, {size.columns}x{size.lines}, {colors}, {encoding}{', in tmux' if environ.get('TMUX') else ''}"
    if "utf" not in encoding:
        return failed("terminal", detail, "use a UTF-8 locale: export LANG=C.UTF-8")
    if term in {"", "dumb"}:
        return warned("terminal", detail, "the inbox needs a terminal; analyst list --plain works anywhere")
    if size.columns < 60 or size.lines < 15:
        return warned("terminal", detail, "the inbox wants 60x15 or more")
    return fine("terminal", detail)


def _notifications(environ: Mapping[str, str]) -> Finding:
    from analyst_cli.client.native import Notifier  # noqa: PLC0415

    try:
        via = str(config.load()["notifications.via"])
    except AnalystError:
        return skipped("notifications", "the settings cannot be read")
    write = (lambda _: None) if sys.stderr.isatty() else None
    way = Notifier(via=via, write=write, environ=environ).way
    words = {
        "desktop": "through the desktop", "osc9": "by the terminal (OSC 9)", "osc777": "by the terminal (OSC 777)",
        "osc99": "by the terminal (OSC 99)", "bell": "by the terminal's bell alone", "off": "nowhere",
    }[way]  # fmt: skip
    if way in {"bell", "off"} and via == "auto":
        remedy = "in tmux: set -g allow-passthrough on; over SSH: use a terminal that shows OSC notifications (docs/settings.md)"
        return warned("notifications", f"shown {words}", remedy)
    return fine("notifications", f"shown {words}; try it with: analyst doctor --notify")


def _background() -> Finding:
    from analyst_cli.client.background import background, watch_command  # noqa: PLC0415

    try:
        installed = background(watch_command(server=None, notify=False))
    except AnalystError as problem:
        return skipped("background watch", problem.problem)
    if not installed.path.exists():
        return skipped("background watch", "not installed; analyst service install keeps the badge current")
    state = installed.running()
    if state.startswith(("active", installed.state[-1])):
        return fine("background watch", f"{installed.path} runs")
    remedy = "journalctl --user -u analyst-watch -n 20; exit code 4 there means: analyst login"
    return warned("background watch", f"{installed.path} does not run ({state})", remedy)
