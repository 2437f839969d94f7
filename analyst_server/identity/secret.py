"""The secret that signs tokens: from the settings, or on a first run on loopback made and kept (section 1.3 of the protocol)."""

import contextlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from analyst_server.errors import ConfigProblem
from analyst_server.identity.tokens import check_secret, new_secret

__all__ = ["SECRET_FILE", "SigningSecret", "signing_secret"]

SECRET_FILE = "jwt-secret"  # noqa: S105 - the name of a file
_VARIABLE = "DESKTOP_JWT_SECRET"
_MAKE_ONE = (
    "make one with: python -c 'import secrets; print(secrets.token_hex(32))', and set it for the gateway and the portal"
)


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """A secret, and where it comes from."""

    value: str = field(repr=False)
    file: Path | None  # None: from the settings
    made_now: bool = False


def signing_secret(configured: str, *, folder: Path, only_loopback: bool) -> SigningSecret:
    """Return the secret to sign with. Raises `ConfigProblem`: none is set beyond loopback, too short, or kept where others read it."""
    if configured:
        check_secret(configured, setting=_VARIABLE)
        return SigningSecret(configured, None)
    file = folder / SECRET_FILE
    if not only_loopback:
        raise ConfigProblem(f"{_VARIABLE} is not set, and this gateway can be reached from other machines", _MAKE_ONE)
    made_now = not file.exists() and _make(file)
    return SigningSecret(_read(file), file, made_now)


def _make(file: Path) -> bool:
    """Write a new secret; return False if another process was faster."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = file.with_name(f".{file.name}.{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(new_secret() + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(
                fresh, file
            )  # fails if the name is taken: nobody's secret is replaced, and nobody reads half of one
        finally:
            with contextlib.suppress(OSError):
                fresh.unlink()
    except FileExistsError:
        return False
    except OSError as exc:
        raise ConfigProblem(
            f"cannot keep a secret in {file}: {exc.strerror}", f"set {_VARIABLE}, or another --data"
        ) from exc
    return True


def _read(file: Path) -> str:
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        secret = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigProblem(f"cannot read the secret in {file}: {exc}", f"set {_VARIABLE} instead") from exc
    if mode & 0o077:
        raise ConfigProblem(
            f"the secret in {file} can be read by others (mode {mode:04o})", f"chmod 600 {file}, or make a new one"
        )
    check_secret(secret, setting=str(file))
    return secret
