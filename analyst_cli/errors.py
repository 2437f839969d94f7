"""Everything that can go wrong on the client side, split by who can act.

AnalystError
├── UsageProblem        the person typed something that cannot be meant        exit 2
├── SettingsProblem     a setting (file, environment, flag) cannot be used     exit 2
├── SignInNeeded        no token, or one that the server refuses               exit 4
├── ServerUnreachable   nobody answers                                         exit 1
├── ServerRefused       the server answered with an error                      exit 1
├── LocalProblem        this machine: a file, a socket, a missing program      exit 1
└── NotFound            there is no such notification, script, server          exit 1

An error's text is one sentence with the value in question; `way_out` tells what to do next. Both are shown, never a traceback.
"""

__all__ = [
    "AnalystError",
    "LocalProblem",
    "NotFound",
    "ServerRefused",
    "ServerUnreachable",
    "SettingsProblem",
    "SignInNeeded",
    "UsageProblem",
]


class AnalystError(Exception):
    """Say what happened, with which value, and what to do next."""

    def __init__(self, problem: str, way_out: str = "") -> None:
        super().__init__(problem, way_out)
        self.problem = problem
        self.way_out = way_out

    def __str__(self) -> str:
        return f"{self.problem}; {self.way_out}" if self.way_out else self.problem


class UsageProblem(AnalystError):
    """The command line cannot be meant as it is typed."""


class SettingsProblem(AnalystError):
    """A value of the settings file, the environment or a flag cannot be used."""


class SignInNeeded(AnalystError):
    """There is no token, or the server does not accept it."""


class ServerUnreachable(AnalystError):
    """Nobody answers at the server's address."""


class ServerRefused(AnalystError):
    """The server answered, and said no."""


class LocalProblem(AnalystError):
    """A file, socket or program of this machine is missing or cannot be used."""


class NotFound(AnalystError):
    """There is no such thing under this name."""
