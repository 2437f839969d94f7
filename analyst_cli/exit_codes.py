"""Exit codes, as `gh` and the shells use them, and which error has which."""

from enum import IntEnum

from analyst_cli.errors import AnalystError, SettingsProblem, SignInNeeded, UsageProblem

__all__ = ["ExitCode", "exit_code_of"]


class ExitCode(IntEnum):
    """What the shell is told."""

    OK = 0
    FAILED = 1
    USAGE = 2
    SIGN_IN_NEEDED = 4
    INTERRUPTED = 130  # 128 + SIGINT
    PIPE_CLOSED = 141  # 128 + SIGPIPE


def exit_code_of(error: AnalystError) -> int:
    """Return the exit code for an error; an error may carry its own as `exit_code`."""
    match error:
        case UsageProblem() | SettingsProblem():
            return ExitCode.USAGE
        case SignInNeeded():
            return ExitCode.SIGN_IN_NEEDED
        case _:
            return int(getattr(error, "exit_code", ExitCode.FAILED))
