"""`analyst completion`: the completion script of a shell."""

from typing import Annotated

import typer

from analyst_cli import output
from analyst_cli.errors import UsageProblem

__all__ = ["completion"]


def completion(
    context: typer.Context, shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")]
) -> None:
    """Print the completion script of a shell; commands, options, ids, scripts, tags, users and servers are completed.

    \b
    Examples:
      analyst completion bash > ~/.local/share/bash-completion/completions/analyst
      analyst completion zsh > "${fpath[1]}/_analyst"
      analyst completion fish > ~/.config/fish/completions/analyst.fish
    """
    from analyst_cli.commands import completion_scripts  # noqa: PLC0415
    from analyst_cli.commands.completion_tree import tree_of  # noqa: PLC0415

    writers = {
        "bash": completion_scripts.bash_script, "zsh": completion_scripts.zsh_script, "fish": completion_scripts.fish_script,
    }  # fmt: skip
    if shell not in writers:
        raise UsageProblem(f"{shell!r} is no shell this knows", f"give one of {', '.join(writers)}")
    output.raw(writers[shell](tree_of(context.find_root().command)))
