"""`analyst scripts list|run --remote`: the scripts that lie on the server, asked through its portal."""

from analyst_cli import output

__all__ = ["list_remote", "run_remote"]


def list_remote(server: str | None, *, json: bool, plain: bool) -> None:
    """List the person's scripts on a server."""
    import asyncio  # noqa: PLC0415

    from analyst_cli.client.scripts import scripts_there  # noqa: PLC0415
    from analyst_cli.client.servers import current_server  # noqa: PLC0415

    there = asyncio.run(scripts_there(current_server(server)))
    if json:
        for script in there:
            output.json_line({"name": f"{script.stem}.py", "stem": script.stem, "last_run": script.last_run or None})
        return
    if not there:
        output.note("you have no scripts on the server")
    output.table(("SCRIPT", "LAST RUN"), [(script.stem, script.last_run or "never") for script in there], plain=plain)


def run_remote(name: str, server: str | None, *, json: bool) -> None:
    """Run one of them there."""
    import asyncio  # noqa: PLC0415

    from analyst_cli.client.scripts import KnownScript, run_script  # noqa: PLC0415
    from analyst_cli.client.servers import current_server  # noqa: PLC0415

    script = KnownScript(name.removesuffix(".py"), "server")
    said = asyncio.run(run_script(script, current_server(server)))
    if json:
        output.json_line({"stem": script.stem, "said": said})
    else:
        output.line(f"{script.stem}: {said}")
