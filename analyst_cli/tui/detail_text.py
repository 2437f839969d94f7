"""The lines around a message: when, from which script, what was done with it; and the block that can be shared. Pure."""

from datetime import datetime

from analyst_cli.client.rows import Row, titled
from analyst_cli.tui.charts.describe import describe, sound
from analyst_cli.tui.text import ago, cells, count_of, duration, exact, until
from analyst_server.wire.inert import inert_text
from analyst_server.wire.messages import Notification

__all__ = ["alternative_text", "facts", "origin_line", "share_text", "state_line", "when_line"]


def when_line(row: Row, now: datetime) -> str:
    """Tell when it was, both ways."""
    then = datetime.fromtimestamp(row.at).astimezone(now.tzinfo)
    return f"{ago(then, now)} · {exact(then)}"


def state_line(row: Row, now: datetime) -> str:
    """Tell priority, status and what was done with it, in words."""
    words = [] if row.priority == "normal" else [f"{row.priority} priority"]
    if row.status:
        words.append({"firing": "▲ firing", "resolved": "▽ resolved"}.get(row.status, cells(row.status)))
    words.append("read" if row.is_read else "● unread")
    if row.acknowledged:
        words.append("◆ acknowledged")
    if row.archived:
        words.append("archived")
    if row.snoozed_until is not None and row.snoozed_until > now.timestamp():
        words.append(f"snoozed until {until(datetime.fromtimestamp(row.snoozed_until).astimezone(now.tzinfo), now)}")
    if row.repeats > 1:
        words.append(f"×{row.repeats}")
    return " · ".join(words)


def origin_line(notification: Notification) -> str:
    """Tell the script and its run; empty when it came from none."""
    words = [f"script {cells(notification.script)}"] if notification.script else []
    run = notification.run
    if run is not None:
        if run.exit_code is not None:
            words.append(f"exit {run.exit_code}")
        if run.duration_s is not None:
            words.append(f"ran {duration(run.duration_s)}")
    return " · ".join(words)


def alternative_text(notification: Notification) -> str:
    """Return the sentence for those who cannot see the chart: the sender's, else one made from the numbers."""
    if notification.image_alt:
        return inert_text(notification.image_alt)
    if notification.chart is not None and sound(notification.chart):
        return describe(notification.chart)
    return "A picture without a description." if notification.image_url else ""


def facts(notification: Notification, earlier: list[Row], now: datetime) -> list[tuple[str, str]]:
    """Return what else is known, as pairs of name and value."""
    found = []
    if notification.tags:
        found.append(("tags", ", ".join(map(cells, notification.tags))))
    if notification.url:
        found.append(("link", cells(notification.url)))
    if notification.run is not None and notification.run.hash:
        found.append(("version", cells(notification.run.hash)[:8]))
    if earlier:
        times = ", ".join(_short(row, now) for row in earlier[:6])
        more = f" and {count_of(len(earlier) - 6, 'other')}" if len(earlier) > 6 else ""
        found.append(("before", times + more))
    found += [(cells(name), cells(str(value))) for name, value in list((notification.data or {}).items())[:12]]
    found.append(("id", cells(notification.id)))
    return found


def share_text(notification: Notification, row: Row, now: datetime) -> str:
    """Return a block of plain text that a colleague understands."""
    then = datetime.fromtimestamp(row.at).astimezone(now.tzinfo)
    lines = [titled(cells(notification.title)), " · ".join(filter(None, [exact(then), origin_line(notification)])), ""]
    lines.append(inert_text(notification.message).strip())
    alternative = alternative_text(notification)
    if alternative:
        lines += ["", alternative]
    if notification.url:
        lines += ["", cells(notification.url)]
    return "\n".join([*lines, "", f"id {cells(notification.id)}"])


def _short(row: Row, now: datetime) -> str:
    then = datetime.fromtimestamp(row.at).astimezone(now.tzinfo)
    return f"{then:%H:%M}" if then.date() == now.date() else f"{then.day} {then:%b} {then:%H:%M}"
