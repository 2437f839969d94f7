"""The desktop under Linux: X11 for windows, pixels and keys, AT-SPI 2 for elements. `open_backend` is the entrance."""

import contextlib
from collections.abc import AsyncIterator, Mapping

from analyst_cli.desktop.backends.base import Backend
from analyst_cli.errors import LocalProblem

__all__ = ["open_backend"]


@contextlib.asynccontextmanager
async def open_backend(environ: Mapping[str, str] | None = None) -> AsyncIterator[Backend]:
    """Open the desktop of this environment (the process's own by default).

    It opens without a display or an accessibility bus too; `probe` says what is missing. Only without the `desktop` extra it cannot.
    """
    try:
        # The extra's packages are wanted here and nowhere else.
        from analyst_cli.desktop.backends.linux.backend import open_linux_backend  # noqa: PLC0415
    except ModuleNotFoundError as exc:
        raise LocalProblem(
            f"the desktop backend needs the package {exc.name}", "install it: pip install 'analyst-inbox[desktop]'"
        ) from exc
    async with open_linux_backend(environ) as backend:
        yield backend
