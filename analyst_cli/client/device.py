"""The stable id of this machine's account towards servers: its name for people and random digits, made once, kept in the state folder."""

import os
import re
import secrets
import socket

from analyst_cli import paths
from analyst_cli.errors import LocalProblem

__all__ = ["device_id", "new_device_id"]


def device_id() -> str:
    """Return the id, and make it the first time; of two processes that do so at once, one wins and both use its id."""
    path = paths.state_dir() / "device-id"
    for _ in range(2):
        try:
            known = path.read_text(encoding="ascii").strip()
            if known:
                return known
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as exc:
            raise LocalProblem(f"{path} cannot be read ({exc})", "move it away: a new one is made") from exc
        try:
            paths.private_folder(path.parent)
            draft = path.with_name(f".device-id-{os.getpid()}-{secrets.token_hex(4)}")
            draft.write_text(new_device_id(socket.gethostname()) + "\n", encoding="ascii")
            try:
                os.link(draft, path)  # unlike a rename, fails where another process was faster
            except FileExistsError:
                if not path.read_text(encoding="ascii").strip():  # left empty by a full disk
                    draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)
        except OSError as exc:
            raise LocalProblem(
                f"{path} cannot be written ({exc.strerror})", "check the folder's owner and free space"
            ) from exc
    return path.read_text(encoding="ascii").strip()


def new_device_id(host: str) -> str:
    """Return what `analyst status` shows for this device, as in `petrs-laptop-9f86d081884c7d65`."""
    name = re.sub(r"[^a-z0-9]+", "-", host.partition(".")[0].lower()).strip("-")[:40] or "device"
    return f"{name}-{secrets.token_hex(8)}"
