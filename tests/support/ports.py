"""Ports for servers that must know theirs before they start, or keep it over a restart."""

import random
import socket

__all__ = ["free_port"]

# Below those that the system hands out itself (from 32768 on Linux): any connection may take one of them while the server is not there.
_candidates = iter(random.SystemRandom().sample(range(10_000, 32_768), 20_000))


def free_port() -> int:
    """Return a port of the loopback interface that nobody has, and that this process has not returned before."""
    for port in _candidates:
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise AssertionError("no port is free")
