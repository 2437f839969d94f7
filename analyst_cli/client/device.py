"""The stable id of this machine's account towards servers: random, made once, kept in the state folder."""

import os
import secrets

from analyst_cli import paths
from analyst_cli.errors import LocalProblem

__all__ = ["device_id"]


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
            draft.write_text(secrets.token_hex(16) + "\n", encoding="ascii")
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
