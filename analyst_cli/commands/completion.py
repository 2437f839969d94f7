"""`analyst completion`: the completion script of a shell, and the manual page."""

from typing import Annotated

import typer

from analyst_cli import output
from analyst_cli.errors import UsageProblem

__all__ = ["completion"]


def completion(
    context: typer.Context, shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh, fish, or man.")]
) -> None:
    """Print the completion script of a shell, or the manual page; commands, options, ids, scripts, tags, users and servers are completed.

    \b
    Examples:
      analyst completion bash > ~/.local/share/bash-completion/completions/analyst
      analyst completion zsh > "${fpath[1]}/_analyst"
      analyst completion fish > ~/.config/fish/completions/analyst.fish
      analyst completion man > ~/.local/share/man/man1/analyst.1
    """
    from analyst_cli.commands import completion_scripts  # noqa: PLC0415
    from analyst_cli.commands.completion_tree import tree_of  # noqa: PLC0415

    root = context.find_root().command
    if shell == "man":
        from analyst_cli.commands.manual_page import manual_page  # noqa: PLC0415

        output.raw(manual_page(root))
        return
    writers = {
        "bash": completion_scripts.bash_script, "zsh": completion_scripts.zsh_script, "fish": completion_scripts.fish_script,
    }  # fmt: skip
    if shell not in writers:
        raise UsageProblem(f"{shell!r} is no shell this knows", f"give one of {', '.join(writers)}, or man")
    output.raw(writers[shell](tree_of(root)))
