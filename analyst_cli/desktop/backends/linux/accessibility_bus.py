"""The connection to the accessibility bus: bounded calls with deadlines, pipelined batches, signals, and one new connection after a loss.

dbus-fast ends a connection whose socket buffer is full, so a batch keeps at most 48 calls on the wire (400 still worked, 600 did not).
Foreign errors end here: callers see `CallFailed`, `CallTimedOut` and the backend's own `BackendLost` and `PermissionMissing`.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, cast

from dbus_fast import AuthError, InvalidAddressError, Message, MessageType
from dbus_fast.aio import MessageBus

from analyst_cli.desktop.backends.base import BackendLost, PermissionMissing
from analyst_cli.desktop.elements import Permission

__all__ = ["CALL_TIMEOUT_S", "AccessibilityBus", "Call", "CallFailed", "CallTimedOut"]

CALL_TIMEOUT_S = 1.0
"""What one call may cost. A program that needs longer hangs: usual answers take 0.1 ms."""
CONNECT_TIMEOUT_S = 2.0
IN_FLIGHT = 48
ANSWERS = {
    "DoAction": "b",
    "Get": "v",
    "GetActions": "a(sss)",
    "GetAttributes": "a{ss}",
    "GetChildAtIndex": "(so)",
    "GetChildren": "a(so)",
    "GetExtents": "(iiii)",
    "GetInterfaces": "as",
    "GetItems": "a((so)(so)(so)iiassusau)",
    "GetNSelections": "i",
    "GetRole": "u",
    "GetSelection": "ii",
    "GetState": "au",
    "GetText": "s",
    "GrabFocus": "b",
}
"""What each answer must look like: programs are strangers, and toolkits before 2.30 answered `GetItems` in another form."""
NO_BUS = (
    "start the accessibility bus: install at-spi2-core, then log in to a desktop session,"
    " or run /usr/libexec/at-spi-bus-launcher --launch-immediately in the session"
)
NO_SESSION_BUS = "start the host inside the desktop session, where DBUS_SESSION_BUS_ADDRESS is set"


class CallFailed(Exception):
    """The program answered with an error; `name` is D-Bus's own."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class CallTimedOut(Exception):
    """The program did not answer in time."""


class Call(NamedTuple):
    """One question to one object."""

    bus_name: str
    path: str
    interface: str
    member: str
    signature: str = ""
    body: tuple[Any, ...] = ()


class AccessibilityBus:
    """A connection that is made on first use and again after it was lost."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._bus: MessageBus | None = None
        self._connecting = asyncio.Lock()
        self._signal_handlers: list[Callable[[Message], None]] = []
        self.generation = 0
        """Counts connections: unique names of an earlier bus may name other programs on this one."""
        self.enabled = True
        """Whether the session wants accessibility; read with each new connection."""

    async def connect(self) -> None:
        """Make sure that there is a connection; raise PermissionMissing where there is no accessibility bus."""
        async with self._connecting:
            if self._bus is not None and self._bus.connected:
                return
            self._bus = None
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    self._bus = await _connected(await self._find_address())
            except TimeoutError as exc:
                raise PermissionMissing(Permission.ACCESSIBILITY, NO_BUS) from exc
            self.generation += 1
            self._bus.add_message_handler(self._on_message)

    async def _find_address(self) -> str:
        """Ask the session for the address, as every toolkit does."""
        session_address = self._environ.get("DBUS_SESSION_BUS_ADDRESS")
        if not session_address and (runtime := self._environ.get("XDG_RUNTIME_DIR")):
            session_address = f"unix:path={runtime}/bus"  # the default of systemd's user bus
        if not session_address:
            raise PermissionMissing(Permission.ACCESSIBILITY, NO_SESSION_BUS)
        session = await _connected(session_address, NO_SESSION_BUS)
        try:
            answer = await session.call(_launcher("org.a11y.Bus", "GetAddress"))
            status = await session.call(
                _launcher("org.freedesktop.DBus.Properties", "Get", "ss", "org.a11y.Status", "IsEnabled")
            )
        except (EOFError, OSError) as exc:
            raise PermissionMissing(Permission.ACCESSIBILITY, NO_SESSION_BUS) from exc
        finally:
            session.disconnect()
        if answer is None or answer.message_type is not MessageType.METHOD_RETURN or not answer.body[0]:
            raise PermissionMissing(Permission.ACCESSIBILITY, NO_BUS)
        if status is not None and status.message_type is MessageType.METHOD_RETURN:
            self.enabled = bool(status.body[0].value)
        return cast("str", answer.body[0])

    async def ping(self) -> bool:
        """Make sure that the bus answers; tell whether the session has accessibility enabled."""
        if not self.enabled:
            await self._find_address()  # it may have been switched on since
        await self.ask(Call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId"))
        return self.enabled

    async def ask(self, call: Call, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        """Ask once; give the answer, a list of its members where it has several, None where it has none."""
        bus = self._bus
        if bus is None or not bus.connected:
            await self.connect()
            bus = cast("MessageBus", self._bus)
        try:
            async with asyncio.timeout(timeout_s):
                return await _answer(bus, call)
        except TimeoutError as exc:
            raise CallTimedOut from exc

    async def ask_all(
        self, calls: Iterable[Call], timeout_s: float = CALL_TIMEOUT_S, deadline: float | None = None
    ) -> list[Any]:
        """Ask many things at once; the answers come in the order of the calls, a failed one as its `CallFailed`.

        Raises CallTimedOut when no answer at all comes for `timeout_s` (they all ask one program, and it hangs), and at the `deadline`
        (of the loop's clock) with whatever is still open.
        """
        await self.connect()
        bus = cast("MessageBus", self._bus)
        loop = asyncio.get_running_loop()
        waiting = list(enumerate(calls))
        answers: list[Any] = [None] * len(waiting)
        waiting.reverse()
        moved_at = loop.time()

        def give_up_at() -> float:
            silent = loop.time() + timeout_s
            return silent if deadline is None else min(silent, deadline)

        async def work() -> None:
            while waiting:
                index, call = waiting.pop()
                try:
                    answers[index] = await _answer(bus, call)
                except CallFailed as failed:
                    answers[index] = failed
                # One timer for all: moving it at every answer would cost as much as the answer.
                nonlocal moved_at
                if loop.time() - moved_at > timeout_s / 16 and not timer.expired():
                    moved_at = loop.time()
                    timer.reschedule(give_up_at())

        try:
            async with asyncio.timeout_at(give_up_at()) as timer:
                if len(waiting) < 2:
                    await work()
                else:
                    async with asyncio.TaskGroup() as group:
                        for _ in range(min(IN_FLIGHT, len(waiting))):
                            group.create_task(work())
        except TimeoutError as exc:
            raise CallTimedOut from exc
        except ExceptionGroup as problems:
            raise problems.exceptions[0] from None
        return answers

    def on_signal(self, handler: Callable[[Message], None]) -> Callable[[], None]:
        """Give every signal to `handler`; the returned function ends that."""
        self._signal_handlers.append(handler)
        return lambda: self._signal_handlers.remove(handler)

    def _on_message(self, message: Message) -> bool:
        if message.message_type is MessageType.SIGNAL:
            for handler in tuple(self._signal_handlers):
                handler(message)
            return False
        # Only the bus itself may ask us anything; a program that calls us gets no answer and no service.
        return message.message_type is MessageType.METHOD_CALL

    @property
    def connected(self) -> bool:
        """Whether the connection stands, as far as known."""
        return self._bus is not None and self._bus.connected

    async def close(self) -> None:
        """Hang up."""
        bus, self._bus = self._bus, None
        if bus is not None and bus.connected:
            bus.disconnect()
            with contextlib.suppress(Exception):
                await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]


def _launcher(interface: str, member: str, signature: str = "", *body: str) -> Message:
    return Message(
        destination="org.a11y.Bus",
        path="/org/a11y/bus",
        interface=interface,
        member=member,
        signature=signature,
        body=list(body),
    )


async def _connected(address: str, remedy: str = NO_BUS) -> MessageBus:
    try:
        return await MessageBus(bus_address=address, auth_timeout=CONNECT_TIMEOUT_S).connect()
    except (OSError, EOFError, AuthError, InvalidAddressError) as exc:
        raise PermissionMissing(Permission.ACCESSIBILITY, remedy) from exc


async def _answer(bus: MessageBus, call: Call) -> Any:
    message = Message(
        destination=call.bus_name,
        path=call.path,
        interface=call.interface,
        member=call.member,
        signature=call.signature,
        body=list(call.body),
    )
    try:
        reply = await bus.call(message)
    except (EOFError, OSError) as exc:
        raise BackendLost("the accessibility bus ended") from exc
    if reply is None:
        raise BackendLost("the accessibility bus ended")
    if reply.message_type is MessageType.ERROR:
        raise CallFailed(reply.error_name or "unknown")
    if reply.signature != ANSWERS.get(call.member, reply.signature):
        raise CallFailed("unexpected-signature")
    return reply.body if len(reply.body) > 1 else next(iter(reply.body), None)
