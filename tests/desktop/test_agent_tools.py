"""The bridge as tools for a coding agent: over the protocol's own client, against a real host."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_desktop_world import World, button, desktop_of, desktop_world

from analyst_cli.desktop.agent_tools import Desk, agent_server

mcp = pytest.importorskip("mcp")


async def used(world: World, tool: str, **arguments: Any) -> tuple[str, Any]:
    """Call a tool; return its words and the whole answer."""
    desk = Desk(str(world.workspace), 5.0)
    try:
        async with mcp.Client(agent_server(desk)) as client:
            answer = await client.call_tool(tool, arguments)
    finally:
        await desk.close()
    return "\n".join(part.text for part in answer.content if part.type == "text"), answer


async def test_tools_are_narrow_and_say_whether_they_act(world: World) -> None:
    async with mcp.Client(agent_server(Desk(str(world.workspace), 5.0))) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    acting = {name for name, tool in tools.items() if not tool.annotations.read_only_hint}
    assert acting == {"desktop_click", "desktop_type_text", "desktop_hotkey", "desktop_dismiss_modal"}
    assert all("approval" in tools[name].description for name in acting)


async def test_an_agent_looks_finds_clicks_and_waits(world: World) -> None:
    words, answer = await used(world, "desktop_observe")
    assert "AXButton 'Go'" in words
    assert "hunter2" not in words
    assert any(part.type == "image" for part in answer.content)
    assert "1 match" in (await used(world, "desktop_find", role="AXButton", title_contains="Go"))[0]
    assert "confirmed" in (await used(world, "desktop_click", role="AXButton", title_contains="Go"))[0]
    assert world.done == [{"press": "go"}]
    assert "after" in (await used(world, "desktop_wait_until", title_contains="Gone"))[0]
    assert "confirmed" in (await used(world, "desktop_type_text", text="hi", title_contains="Name"))[0]
    assert "confirmed" in (await used(world, "desktop_hotkey", keys="cmd+s"))[0]
    assert (await used(world, "desktop_list_modals"))[0] == "no dialogs"
    assert "No modals" in (await used(world, "desktop_dismiss_modal"))[0]
    assert '"running"' in (await used(world, "desktop_status"))[0]


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("desktop_click", {"title_contains": "Twin"}, "DESKTOP_AMBIGUOUS_MATCH"),
        ("desktop_click", {}, "DESKTOP_INVALID_REQUEST"),
        ("desktop_click", {"element_id": "e:1:1"}, "DESKTOP_STALE_ELEMENT"),
        ("desktop_hotkey", {"keys": "cmd+l"}, "does not allow"),
        ("desktop_type_text", {"text": "x", "title_contains": "Password"}, "password field"),
    ],
)
async def test_refusals_reach_the_agent_in_words(world: World, tool: str, arguments: dict[str, Any], said: str) -> None:
    words, answer = await used(world, tool, **arguments)
    assert answer.is_error
    assert said in words
    assert world.done == []


async def test_without_an_approval_nothing_is_done(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, mode="operator") as world:
        desk = Desk(str(world.workspace), 0.2)
        async with mcp.Client(agent_server(desk)) as client:
            answer = await client.call_tool("desktop_hotkey", {"keys": "a"})
        await desk.close()
        assert answer.is_error
        assert world.done == []


async def test_titles_of_strangers_are_inert(tmp_path: Path) -> None:
    async with desktop_world(tmp_path, desktop_of(button("h", "\u202eevil\u200b\x1b[2J"))) as world:
        words, _ = await used(world, "desktop_observe", screenshot=False)
        assert "\u202e" not in words
        assert "\x1b" not in words


async def test_no_host_is_told(tmp_path: Path) -> None:
    async with mcp.Client(agent_server(Desk(str(tmp_path), 1.0))) as client:
        answer = await client.call_tool("desktop_status", {})
    assert answer.is_error
    assert "analyst desktop serve" in answer.content[0].text


async def test_the_command_speaks_over_its_pipes(world: World) -> None:
    words = ["-m", "analyst_cli", "desktop", "mcp", str(world.workspace)]
    command = mcp.StdioServerParameters(command=sys.executable, args=words, env=dict(os.environ))
    async with mcp.Client(mcp.stdio_client(command)) as client:
        answer = await client.call_tool("desktop_status", {})
    assert "running" in answer.content[0].text
