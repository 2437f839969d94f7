"""Every service that apprise knows (https://appriseit.com/services/): Slack, Teams, mail, and about a hundred more. The extra `channels` installs it.

Who wants to be told where stands in `channel_urls.json` in the data folder (0600: the URLs hold secrets): `{"petr": ["slack://..."]}`.
"""

import asyncio
import json
import re
import tempfile
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from analyst_server.channels.base import DeliveryFailed, Item, Receipt
from analyst_server.channels.retry import Failure
from analyst_server.channels.telegram_channel import ReadImage
from analyst_server.errors import ConfigProblem, StoreUnavailable
from analyst_server.wire.inert import inert_line, inert_text

__all__ = ["FILE_NAME", "AppriseChannel", "apprise_is_installed"]

FILE_NAME = "channel_urls.json"
INTERVAL_S = 1.0  # Slack's documented pace of incoming webhooks; nobody else's is stricter
TIMEOUT_S = 60.0
MAX_THREADS = 8


class AppriseChannel:
    """The channel; see `base.Channel` for its promises. An address is a hash of a URL, so that no secret is written elsewhere."""

    name = "apprise"

    def __init__(
        self,
        folder: Path,
        read_image: ReadImage,
        *,
        timeout_s: float = TIMEOUT_S,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._path = folder / FILE_NAME
        self._read_image = read_image
        self._timeout_s = timeout_s
        self._now = now
        self._sent_at: dict[str, float] = {}
        # a service that hangs keeps none of the loop's
        self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="apprise")

    def close(self) -> None:
        """Begin nothing more; what is under way ends with its own time limit."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def users(self) -> Collection[str]:
        """Return who wants to be told; blocking. Raises `StoreUnavailable`."""
        return self._urls().keys()

    def addresses(self, user: str) -> list[str]:
        """Return the user's addresses; blocking. Raises `StoreUnavailable`."""
        return [_address(url) for url in self._urls().get(user, [])]

    def earliest(self, address: str, *, now: float) -> float:
        """Return when the next message may go to the address."""
        return max(now, self._sent_at.get(address, 0.0) + INTERVAL_S)

    async def deliver(self, item: Item) -> Receipt:
        """Deliver one notification. Raises `DeliveryFailed`."""
        urls = await asyncio.to_thread(self._urls)
        url = next((each for each in urls.get(item.user, []) if _address(each) == item.address), None)
        if url is None:
            raise DeliveryFailed(Failure("the address has been removed", permanent=True))
        self._sent_at[item.address] = self._now()
        name = str(item.notification.get("image_url") or "").rpartition("/")[2]
        image = await self._read_image(item.user, name) if name else None
        try:
            async with asyncio.timeout(self._timeout_s):
                note = await asyncio.get_running_loop().run_in_executor(
                    self._threads, _notify, url, item.notification, image
                )
        except TimeoutError as exc:
            raise DeliveryFailed(Failure(f"no answer within {self._timeout_s:.0f} s", unconfirmed=True)) from exc
        return Receipt(note=note)

    def _urls(self) -> dict[str, list[str]]:
        try:
            urls = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as exc:
            raise StoreUnavailable(f"cannot read {self._path} ({exc})", "repair the file or move it away") from exc
        if not isinstance(urls, dict) or not all(isinstance(each, list) for each in urls.values()):
            raise StoreUnavailable(
                f"{self._path} is not of the shape {{user: [url, ...]}}", "repair the file or move it away"
            )
        return {str(user): [str(url) for url in each] for user, each in urls.items()}


def apprise_is_installed() -> bool:
    """Tell whether the extra is there."""
    try:
        import apprise  # noqa: F401, PLC0415 - an extra
    except ImportError:
        return False
    return True


def check_installed(folder: Path) -> None:
    """Raise `ConfigProblem` when somebody has URLs and apprise is missing."""
    if (folder / FILE_NAME).exists() and not apprise_is_installed():
        raise ConfigProblem(
            f"{folder / FILE_NAME} needs apprise, which is not installed",
            "python -m pip install 'analyst-inbox[channels]'",
        )


def _address(url: str) -> str:
    return sha256(url.encode()).hexdigest()[:16]


def _notify(url: str, notification: dict[str, Any], image: bytes | None) -> str:
    """Send through apprise; return what was left out. Raises `DeliveryFailed`."""
    import apprise  # noqa: PLC0415 - an extra, and slow to import

    target = apprise.Apprise()
    if not target.add(url):
        raise DeliveryFailed(Failure("apprise cannot read the URL", permanent=True))
    notice = notification.get("notice") or (
        f"{notification['dropped']} older alerts were left out here." if "dropped" in notification else ""
    )
    title = _harmless(inert_line(str(notification.get("title", ""))))
    text = str(notice) or _harmless(inert_text(str(notification.get("message", ""))))
    url = inert_line(str(notification.get("url") or ""))
    body = "\n\n".join(part for part in (text, url) if part) or title
    loud = notification.get("priority") in {"high", "critical"}
    kind = apprise.NotifyType.FAILURE if loud else apprise.NotifyType.INFO
    send = partial(target.notify, title=title, body=body, notify_type=kind, body_format=apprise.NotifyFormat.MARKDOWN)
    if image is None:
        return _sent(send())
    with tempfile.TemporaryDirectory(prefix="analyst-chart-") as folder:
        path = Path(folder) / "chart.png"
        path.write_bytes(image)
        if send(attach=str(path)):
            return ""
    return _sent(send()) or "without its chart"


def _harmless(text: str) -> str:
    """Return Markdown that reads as before and in which no HTML tag and no `<!here>`, `@everyone` can act: apprise hands both on as they are."""
    return re.sub(r"<(?=[A-Za-z!/?@#])|@(?=(?:everyone|here|channel)\b)", "\\g<0>\u200b", text)


def _sent(done: Any) -> str:
    """Apprise tells success from failure and nothing more: a failure counts as transient, and is given up after a day."""
    if not done:
        raise DeliveryFailed(Failure("apprise could not deliver it"))
    return ""
