"""A program on the accessibility bus that lies: about its tree, its types, and everything else it is asked."""

import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

__all__ = ["liar"]

ROOT = "/org/a11y/atspi/accessible/root"
OBJECTS = [ROOT, *(f"/liar/{number}" for number in range(40))]
SHOWN = [1 << 25 | 1 << 30 | 1 << 24 | 1 << 8, 0]
ROLES = [0, 7, 16, 40, 43, 61, 75, 2**32 - 1]
INTERFACES = [
    f"org.a11y.atspi.{name}" for name in ("Accessible", "Component", "Action", "Text", "Value", "EditableText")
]
ODD_ANSWERS: list[tuple[str, list[Any]]] = [
    ("", []),
    ("s", ["\u202e" + "x" * 20_000]),
    ("i", [-(2**31)]),
    ("v", [Variant("as", ["a"])]),
    ("v", [Variant("i", 2**31 - 1)]),
    ("v", [Variant("d", float("nan"))]),
    ("v", [Variant("(so)", ["", "/"])]),
    ("au", [[]]),
    ("au", [[2**32 - 1, 2**32 - 1]]),
    ("u", [2**32 - 1]),
    ("a(so)", [[[":9.9", "/x"], ["", ROOT], ["not a name", "/liar/1"]]]),
    ("(iiii)", [[-(2**31), 2**31 - 1, -1, 0]]),
    ("a{ss}", [{"placeholder-text": "y" * 20_000}]),
    ("b", [True]),
]


@contextlib.asynccontextmanager
async def liar(address: str, seed: int, *, cache: bool) -> AsyncIterator[str]:
    """Register a lying program with the accessibility registry; give its bus name."""
    bus = await MessageBus(bus_address=address).connect()
    own = str(bus.unique_name)
    chance = random.Random(seed)

    def answer(message: Message) -> Message | bool:
        if message.message_type is not MessageType.METHOD_CALL:
            return False
        signature, body = _plausible(message, own, chance, cache=cache) or chance.choice(ODD_ANSWERS)
        if chance.random() < 0.1:
            signature, body = chance.choice(ODD_ANSWERS)
        if chance.random() < 0.05:
            return Message.new_error(message, "org.example.Liar", "no")
        return Message.new_method_return(message, signature, body)

    bus.add_message_handler(answer)
    embed = Message(
        destination="org.a11y.atspi.Registry",
        path=ROOT,
        interface="org.a11y.atspi.Socket",
        member="Embed",
        signature="(so)",
        body=[[own, ROOT]],
    )
    await bus.call(embed)
    try:
        yield own
    finally:
        bus.disconnect()


def _plausible(message: Message, own: str, chance: random.Random, *, cache: bool) -> tuple[str, list[Any]] | None:
    """Give an answer of the right form, with any content; cycles are likely."""
    answers: dict[str | None, tuple[str, list[Any]]] = {
        "GetChildren": ("a(so)", [[[own, chance.choice(OBJECTS)] for _ in range(chance.randrange(1, 6))]]),
        "GetState": ("au", [SHOWN]),
        "GetRole": ("u", [chance.choice(ROLES)]),
        "GetInterfaces": ("as", [INTERFACES]),
        "GetActions": ("a(sss)", [[["click", "", ""]] * chance.randrange(3)]),
        "Get": ("v", [chance.choice([Variant("s", "name"), Variant("i", 3), Variant("i", 2**30)])]),
        "GetExtents": ("(iiii)", [[chance.randrange(300), chance.randrange(200), 20, 10]]),
        "GetText": ("s", ["secret text"]),
    }
    if cache:
        answers["GetItems"] = ("a((so)(so)(so)iiassusau)", [_items(own, chance)])
    return answers.get(message.member)


def _items(own: str, chance: random.Random) -> list[Any]:
    """Make a cache with cycles, orphans, twins, foreign objects and absurd numbers."""
    return [
        [
            [own if path == ROOT or chance.random() < 0.9 else ":9.9", path],
            [own, ROOT],
            [own, chance.choice(OBJECTS[:8])],
            chance.choice([-1, 0, 5, 2**31 - 1]),
            chance.choice([-1, 0, 3, 2**30]),
            chance.sample(INTERFACES, 3),
            chance.choice(["", "name", "\x1b[31m\u202e", "z" * 10_000]),
            chance.choice(ROLES),
            "",
            chance.choice([SHOWN, SHOWN, SHOWN, [], [2**32 - 1, 2**32 - 1]]),
        ]
        for path in [*OBJECTS, *chance.sample(OBJECTS, 10)]
    ]
