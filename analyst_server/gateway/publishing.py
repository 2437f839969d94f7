"""Accept notifications: check, store, answer. Used by the dispatch socket, and by the portal for publishers with a token.

The answer follows the commit. What cannot be stored is refused with its reason; nothing is half-stored for a user.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import msgspec

from analyst_server.errors import RequestRefused, StoreUnavailable
from analyst_server.gateway.allowances import UserAllowances, UserLimits
from analyst_server.gateway.hub import Hub
from analyst_server.gateway.unix_http import HttpAnswer, json_answer
from analyst_server.inbox.log import Appended, NotificationDraft, User
from analyst_server.wire.publication import (
    Publication,
    decode_publication,
    new_notification_id,
    stored_body,
)

__all__ = ["ImageStore", "Publisher"]

MAX_WAITING = (
    20_000  # dispatches that wait for the store: 5 GB of bodies at most, 10 MB as they usually are; then 503 at once
)
_REMOTE_PICTURES = "remote publishers send the chart's numbers (`chart`) and a sentence (`image_alt`)"

ImageStore = Callable[
    [str], Awaitable[str]
]  # a path to the name in the image store; raises `ImageRefused`, `StoreUnavailable`


class _Accepted(msgspec.Struct):
    """The answer for one user."""

    sent: int
    id: str
    seq: int
    duplicate: bool


_encode = msgspec.json.Encoder().encode


class Publisher:
    """Store what publishers send and tell them where it is."""

    def __init__(
        self,
        hub: Hub,
        *,
        add_image: ImageStore | None = None,
        limits: UserLimits | None = None,
        now: Callable[[], float] = time.monotonic,
        wall_now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._hub = hub
        self._add_image = add_image
        self._allowances = UserAllowances(limits or UserLimits())
        self._now = now
        self._wall_now = wall_now
        self.waiting = 0

    async def publish(self, body: bytes, *, local: bool = True) -> HttpAnswer:
        """Answer one `POST /dispatch` with this body; `local` callers may name files of this machine."""
        try:
            publication = decode_publication(body)
            images = 0 if publication.submission.image_path is None else 1
            self._admit(publication, body_bytes=len(body), images=images, local=local)
            try:
                answer = await self._store(publication)
            except StoreUnavailable:
                self._allowances.give_back(publication.users, body_bytes=len(body), images=images, now=self._now())
                raise
        except (RequestRefused, StoreUnavailable) as exc:
            self._hub.metrics.refused_dispatch(exc.status)
            return json_answer(exc.status, {"error": str(exc)})
        self._hub.metrics.dispatches_accepted += 1
        return answer

    def _admit(self, publication: Publication, *, body_bytes: int, images: int, local: bool) -> None:
        """Count a publication against the limits of its users. Raises `RequestRefused`, `StoreUnavailable`."""
        if images and not local:
            raise RequestRefused("image_path names a file of the gateway's machine", _REMOTE_PICTURES)
        if self.waiting + len(publication.users) > MAX_WAITING:
            raise StoreUnavailable(
                f"{self.waiting} dispatches wait for the store already", "try again in a few seconds"
            )
        self._allowances.take(publication.users, body_bytes=body_bytes, images=images, now=self._now())

    async def _store(self, publication: Publication) -> HttpAnswer:
        submission = publication.submission
        image = None
        if submission.image_path is not None:
            image = await self._stored_image(submission.image_path)
            submission.image_url = f"/api/notifications/images/{image}"
        now = self._wall_now()
        notification_id = submission.id or new_notification_id(now, os.urandom(10))
        body = stored_body(publication, notification_id=notification_id, now=now)
        if publication.to_many:
            return await self._append_all(
                [
                    NotificationDraft(User(user), notification_id, body, image, publication.fingerprint)
                    for user in publication.users
                ]
            )
        user = User(publication.users[0])
        appended = await self._append(NotificationDraft(user, notification_id, body, image, publication.fingerprint))
        sent = self._hub.connections_of(user)
        return HttpAnswer(200, _encode(_Accepted(sent, notification_id, appended.seq, appended.duplicate)))

    async def _append(self, draft: NotificationDraft) -> Appended:
        started = time.perf_counter()
        self.waiting += 1
        try:
            appended = await self._hub.log.append(draft)
        finally:
            self.waiting -= 1
        metrics = self._hub.metrics
        metrics.committed(time.perf_counter() - started)
        if appended.duplicate:
            metrics.dispatches_duplicate += 1
        else:
            metrics.events_stored += 1
        return appended

    async def _append_all(self, drafts: list[NotificationDraft]) -> HttpAnswer:
        """Store for many users. Where one fails the others may be stored: the caller repeats the request under the same id."""
        outcomes = await asyncio.gather(*(self._append(draft) for draft in drafts), return_exceptions=True)
        users: dict[str, dict[str, object]] = {}
        for draft, outcome in zip(drafts, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                raise outcome
            users[draft.user] = {"seq": outcome.seq, "duplicate": outcome.duplicate}
        sent = sum(self._hub.connections_of(draft.user) for draft in drafts)
        return json_answer(200, {"sent": sent, "id": drafts[0].id, "users": users})

    async def _stored_image(self, path: str) -> str:
        if self._add_image is None:
            raise RequestRefused("this gateway keeps no images", "send the notification without image_path")
        try:
            return await self._add_image(path)
        except RequestRefused as exc:  # of several dispatches a caller can tell which one it was
            raise type(exc)(f"{exc.problem} ({path[:200]!r})", exc.way_out) from exc
