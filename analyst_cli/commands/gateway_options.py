"""What the commands for the machine of the gateway share: its settings, its data folder, and how the server's errors reach a person."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from analyst_cli import paths
from analyst_cli.errors import LocalProblem, SettingsProblem, UsageProblem

if TYPE_CHECKING:
    from analyst_server.config import Settings

__all__ = ["CONFIG", "DATA", "gateway_data_dir", "gateway_errors", "gateway_settings", "settings_and_folder"]

CONFIG = typer.Option(None, "--config", "-c", metavar="FILE", help="Settings file of the gateway (TOML).")
DATA = typer.Option(None, "--data", metavar="DIR", help="Data folder of the gateway: log, images, accounts.")


def settings_and_folder(config: Path | None, data: Path | None) -> "tuple[Settings, Path]":
    """Return the settings and the data folder. Raises `SettingsProblem`."""
    settings, _ = gateway_settings(config, {"store.data_dir": data})
    return settings, gateway_data_dir(settings)


def gateway_settings(config: Path | None, flags: dict[str, Any]) -> "tuple[Settings, dict[str, str]]":
    """Return the settings of the server parts, and where they come from. Raises `SettingsProblem`."""
    from analyst_server.config import load_settings  # noqa: PLC0415

    with gateway_errors():
        return load_settings(file=_settings_file(config), environ=os.environ, flags=flags)


def gateway_data_dir(settings: "Settings") -> Path:
    """Return the folder of the log, the images and the accounts."""
    return settings.store.data_dir or paths.data_dir() / "gateway"


@contextmanager
def gateway_errors() -> Iterator[None]:
    """Turn the errors of the server's parts into those that the command line shows; what was refused is what the command was given."""
    from analyst_server.errors import ConfigProblem, RequestRefused, ServerError  # noqa: PLC0415

    try:
        yield
    except RequestRefused as exc:
        raise UsageProblem(exc.problem, exc.way_out) from exc
    except ConfigProblem as exc:
        raise SettingsProblem(exc.problem, exc.way_out) from exc
    except ServerError as exc:
        raise LocalProblem(exc.problem, exc.way_out) from exc


def _settings_file(named: Path | None) -> Path | None:
    if named is None and (variable := os.environ.get("ANALYST_GATEWAY_CONFIG")):
        named = Path(variable)
    if named is not None:
        return named
    usual = (paths.config_dir() / "gateway.toml", Path("/etc/analyst/gateway.toml"))
    return next((file for file in usual if file.exists()), None)
