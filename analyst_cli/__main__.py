"""Entry point of the `analyst` command: answer the cheapest calls first, then turn every error into one sentence and an exit code."""

import os
import sys
from io import TextIOWrapper

from analyst_cli import __version__

__all__ = ["main"]


def main() -> None:
    """Run the command line of this process; never lets a traceback reach a person."""
    try:
        _have_streams()
        if _answered_at_once(sys.argv[1:]):
            sys.stdout.flush()
            return
        from analyst_cli.app import run  # noqa: PLC0415

        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:  # while the program still loads
        sys.exit(130)
    except OSError as problem:
        from analyst_cli.app import output_lost  # noqa: PLC0415

        sys.exit(output_lost(problem))


def _answered_at_once(argv: list[str]) -> bool:
    """Answer what needs no Typer, which takes longer to load than these take altogether; tell whether that was done."""
    if argv in (["--version"], ["-V"]):
        sys.stdout.write(f"analyst {__version__}\n")
        return True
    if argv[:1] == ["callback"]:  # started by the operating system's URL handler: standard library only
        from analyst_cli.client.callback import deliver  # noqa: PLC0415

        sys.exit(deliver(argv[1:]))
    if argv[:1] == ["badge"]:  # asked by a status bar every few seconds
        from analyst_cli.client.badge import quick_badge  # noqa: PLC0415

        return quick_badge(argv[1:])
    if argv[:1] == ["__complete"]:  # asked by the shell at every TAB
        from analyst_cli.client.words import print_words  # noqa: PLC0415

        print_words(argv[1:])
        return True
    return False


def _have_streams() -> None:
    """Open what the caller has closed (`>&-`), in the order of the descriptors, and let no character stop a line that the terminal cannot show."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: PTH123, SIM115 - for the life of the process, without pathlib's 5 ms
            setattr(sys, name, stream)
    if isinstance(sys.stdout, TextIOWrapper):  # always, at a start by Python
        sys.stdout.reconfigure(errors="replace")


if __name__ == "__main__":
    main()
