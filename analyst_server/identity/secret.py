"""The secret that signs tokens: from the settings, or on a first run on loopback made and kept (section 1.3 of the protocol)."""

import contextlib
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from analyst_server.errors import ConfigProblem
from analyst_server.identity.tokens import LIFETIME_S, REFRESH_GRACE_S, TokenKeys, check_secret, new_secret

__all__ = ["SECRET_FILE", "Rotation", "SigningSecret", "rotated_secret", "signing_secret", "token_keys"]

SECRET_FILE = "jwt-secret"  # noqa: S105 - the name of a file
PREVIOUS_FILE = "jwt-secret.previous"  # the secret before, and on a second line until when it is accepted
PREVIOUS_KEPT_S = LIFETIME_S + REFRESH_GRACE_S  # whoever was here in that time has a token of the new secret
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


@dataclass(frozen=True, slots=True)
class Rotation:
    """A secret that was changed: in its file, or to be set in the environment by hand."""

    file: Path | None  # None: `environment` is to be set
    previous_until: float | None  # Unix time in seconds until which the old one is accepted; None: it is not
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


def token_keys(secret: SigningSecret, *, previous: str, previous_until: str, folder: Path) -> TokenKeys:
    """Return the keys to sign and verify with; the previous one is what is set, else what a rotation has kept. Raises `ConfigProblem`."""
    if previous:
        return TokenKeys(secret.value, previous, _moment(previous_until) if previous_until else None)
    file = folder / PREVIOUS_FILE
    if secret.file is None or not file.exists():
        return TokenKeys(secret.value)
    kept, _, until = _read(file).partition("\n")
    return TokenKeys(secret.value, kept, _moment(until))


def rotated_secret(configured: str, *, folder: Path, now: float, drop_old: bool) -> Rotation:
    """Change the secret in the data folder, or tell what to set where the settings have it. Raises `ConfigProblem`."""
    until = None if drop_old else now + PREVIOUS_KEPT_S
    if configured:
        return Rotation(None, until, _to_be_set(configured, until))
    file, kept = folder / SECRET_FILE, folder / PREVIOUS_FILE
    if not file.exists():
        raise ConfigProblem(f"there is no secret in {folder} yet", "the first start of the gateway makes one")
    old = _read(file)
    if until is None:
        kept.unlink(missing_ok=True)
    else:  # first: whatever happens in between, the old one is not lost
        _replace(kept, f"{old}\n{_told(until)}")
    _replace(file, new_secret())
    return Rotation(file, until)


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


def _to_be_set(configured: str, until: float | None) -> dict[str, str]:
    wanted = {_VARIABLE: new_secret()}
    if until is not None:
        wanted |= {f"{_VARIABLE}_PREVIOUS": configured, f"{_VARIABLE}_PREVIOUS_UNTIL": _told(until)}
    return wanted


def _told(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as exc:
        raise ConfigProblem(
            f"{_VARIABLE}_PREVIOUS_UNTIL {text!r} is no date", "write it as 2026-12-31T00:00:00Z"
        ) from exc


def _replace(file: Path, content: str) -> None:
    try:
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # 0600
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(content + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(file)
    except OSError as exc:
        raise ConfigProblem(f"cannot keep a secret in {file}: {exc.strerror}", "check the folder's owner") from exc


def _make(file: Path) -> bool:
    """Write a new secret; return False if another process was faster."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)  # mode 0600
        fresh = Path(name)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(new_secret() + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        try:
            # fails if the name is taken: nobody's secret is replaced, and nobody reads half of one
            os.link(fresh, file)
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
