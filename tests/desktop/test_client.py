"""The client of the host, where the host goes away at a bad moment."""

import asyncio
import gc
from pathlib import Path
from typing import Any

import pytest

from analyst_cli.desktop.client import HostClient, HostUnreachable


class BreakingWriter(asyncio.StreamWriter):
    """A connection that breaks while it is written to, after the reader has seen the end."""

    async def drain(self) -> None:
        """Wait until the end was read, then fail as a broken pipe does."""
        await self.client.lost.wait()
        raise BrokenPipeError

    client: HostClient


async def test_a_host_that_dies_while_it_is_written_to_is_told_once(tmp_path: Path) -> None:
    unheard: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: unheard.append(context))
    connections: list[asyncio.StreamWriter] = []
    server = await asyncio.start_unix_server(lambda _reader, writer: connections.append(writer), tmp_path / "s")
    reader, plain = await asyncio.open_unix_connection(tmp_path / "s")
    writer = BreakingWriter(plain.transport, plain.transport.get_protocol(), reader, loop)
    client = writer.client = HostClient(reader, writer)
    call = asyncio.create_task(client.call("desktop.health", {}))
    while not connections:
        await asyncio.sleep(0)
    connections[0].close()
    with pytest.raises(HostUnreachable, match="broke"):
        await call
    await client.close()
    server.close()
    del call
    gc.collect()
    await asyncio.sleep(0)
    assert unheard == []
