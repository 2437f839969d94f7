"""Who is at the other end of a connection: facts from the kernel, taken once at accept, and checked again before an action (R-PE).

The process is held by a pidfd (asked of the socket itself where the kernel can, Linux 6.5), so a number that is used again is never taken for
it. What this cannot tell: a script from another script of the same interpreter. Linux only; other systems give pid and uid alone.
"""

import hashlib
import os
import select
import socket
import struct
from pathlib import Path
from typing import NamedTuple

from analyst_cli.desktop.allowlist import Caller
from analyst_cli.desktop.confirm import Principal

__all__ = ["Ancestor", "Peer", "internal_peer", "lineage", "peer_of"]

SO_PEERPIDFD = 77  # Linux 6.5; the socket module of Python 3.11 has no name for it
LOCAL_PEERCRED_LEVEL, LOCAL_PEERPID = 0, 2  # <sys/un.h> of macOS
NO_AUDIT_SESSION = str(2**32 - 1)


class Ancestor(NamedTuple):
    """A process on the way from a peer up to the first process, told apart from a later one with its number by the start time."""

    pid: int
    start_time: int
    session: int
    name: str = ""  # which the process may choose itself


class _Stat(NamedTuple):
    name: str
    parent: int
    session: int
    terminal: int
    start_time: int


class Peer:
    """One end of a connection. `reason_gone` is asked before every request."""

    def __init__(
        self, *, pid: int, uid: int, gid: int, connection_id: str, pidfd: int | None = None, internal: bool = False
    ) -> None:
        self.pid, self.uid, self.gid = pid, uid, gid
        self.connection_id = connection_id
        self.internal = internal
        self._pidfd = pidfd
        stat = _stat_of(pid)
        self.start_time = stat.start_time if stat else None
        self.terminal = stat.terminal if stat else 0
        self.exe_path, self._exe_key, self.exe_sha256 = _exe_of(pid)
        self.login_session = _login_session(pid)
        self.lineage = lineage(pid)
        facts = f"{uid}|{pid}|{self.start_time}|{self.exe_sha256}"
        self.identity_digest = "internal" if internal else hashlib.sha256(facts.encode()).hexdigest()[:16]

    def reason_gone(self) -> str | None:
        """Return why this is no longer the peer that connected: `peer_gone`, `peer_changed`; None while it is."""
        if self.internal:
            return None
        if self._pidfd is not None and _ended(self._pidfd):
            return "peer_gone"
        stat = _stat_of(self.pid)
        if self.start_time is not None and (stat is None or stat.start_time != self.start_time):
            return "peer_gone"
        if self._exe_key is not None and _exe_key(self.pid) != self._exe_key:
            return "peer_changed"  # exec: the same process runs another program now
        return None

    @property
    def principal(self) -> Principal:
        """Whom a confirmation is bound to."""
        return Principal(self.uid, self.exe_sha256, self.login_session, self.connection_id)

    @property
    def caller(self) -> Caller:
        """The facts that allowlists look at."""
        return Caller(
            pid=self.pid, uid=self.uid, start_time=self.start_time, exe_path=self.exe_path, exe_sha256=self.exe_sha256
        )

    def json(self) -> dict[str, object]:
        """Return the member `peer` of replies and `env.json`; what is unknown is null."""
        return {
            "pid": self.pid,
            "auditTokenDigest": self.identity_digest,
            "signingId": "com.analyst.desktop.bridge" if self.internal else None,
            "teamId": None,
            "uid": self.uid,
            "gid": self.gid,
            "startTime": self.start_time,
            "exePath": self.exe_path,
            "exeSha256": self.exe_sha256,
            "identityDigest": self.identity_digest,
            "connectionId": self.connection_id,
        }

    def close(self) -> None:
        """Let go of the process."""
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None


def peer_of(connection: socket.socket, connection_id: str) -> Peer:
    """Ask the kernel who connected. Raises OSError when it does not tell."""
    if hasattr(socket, "SO_PEERCRED"):
        pid, uid, gid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return Peer(pid=pid, uid=uid, gid=gid, connection_id=connection_id, pidfd=_pidfd_of(connection, pid))
    pid = struct.unpack("i", connection.getsockopt(LOCAL_PEERCRED_LEVEL, LOCAL_PEERPID, 4))[0]
    credentials = connection.getsockopt(LOCAL_PEERCRED_LEVEL, 1, 76)  # struct xucred: version, uid, group count, groups
    uid, gid = struct.unpack_from("I", credentials, 4)[0], struct.unpack_from("I", credentials, 12)[0]
    return Peer(pid=pid, uid=uid, gid=gid, connection_id=connection_id)


def internal_peer() -> Peer:
    """The host itself, for what the operator's screen asks; reachable only in this process (§5.2)."""
    return Peer(pid=os.getpid(), uid=os.geteuid(), gid=os.getegid(), connection_id="internal", internal=True)


def lineage(pid: int) -> tuple[Ancestor, ...]:
    """Return a process and its ancestors, without the first process; empty where the system does not tell."""
    found: list[Ancestor] = []
    while pid > 1 and len(found) < 64 and (stat := _stat_of(pid)):
        found.append(Ancestor(pid, stat.start_time, stat.session, stat.name))
        pid = stat.parent
    return tuple(found)


def _pidfd_of(connection: socket.socket, pid: int) -> int | None:
    try:
        return int(struct.unpack("i", connection.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD, 4))[0])
    except OSError:
        try:
            return os.pidfd_open(pid)  # an older kernel: the start time that is read next tells a reused number
        except OSError:
            return None


def _ended(pidfd: int) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def _stat_of(pid: int) -> _Stat | None:
    try:
        named, _, rest = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")
    except OSError:
        return None
    fields = rest.split()  # proc(5)
    return _Stat(
        name=named.partition("(")[2],
        parent=int(fields[1]),
        session=int(fields[3]),
        terminal=int(fields[4]),
        start_time=int(fields[19]),
    )


def _login_session(pid: int) -> str | None:
    """Return the login session that the kernel's audit knows; "none" where the machine has no such sessions."""
    try:
        session = Path(f"/proc/{pid}/sessionid").read_text().strip()
    except OSError:
        return None
    return "none" if session == NO_AUDIT_SESSION else session


class _ExeKey(NamedTuple):
    device: int
    inode: int
    size: int
    modified_ns: int


_digests: dict[_ExeKey, str] = {}  # hashing an interpreter takes 20 ms; the same file is hashed once


def _exe_key(pid: int) -> _ExeKey | None:
    try:
        found = os.stat(f"/proc/{pid}/exe")  # noqa: PTH116 - the link is special: it leads to the file even when that was deleted
    except OSError:
        return None
    return _ExeKey(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _exe_of(pid: int) -> tuple[str | None, _ExeKey | None, str | None]:
    key = _exe_key(pid)
    if key is None:
        return None, None, None
    try:
        path = os.readlink(f"/proc/{pid}/exe")  # noqa: PTH115 - see above
        if key not in _digests:
            with open(f"/proc/{pid}/exe", "rb") as file:  # noqa: PTH123 - see above
                _digests[key] = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None, None, None
    return path, key, _digests[key]
