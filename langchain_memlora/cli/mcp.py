"""`memlora mcp`: the memory of one user as a Model Context Protocol server."""

from __future__ import annotations

from typing import Annotated

import typer

from langchain_memlora.cli.setting import Setting


def mcp(
    ctx: typer.Context,
    user: Annotated[str, typer.Option("--user", "-u", envvar="MEMLORA_USER", help="The user who owns the memory.")],
    min_score: Annotated[
        float, typer.Option(min=0, max=1, help="Probability of relevance that the results of a search must have.")
    ] = 0.0,
) -> None:
    """Serve one user's memory over the Model Context Protocol, on stdin and stdout, until the client disconnects."""
    from langchain_memlora.integrations.mcp import build_server

    setting: Setting = ctx.obj
    with setting.open() as memory:
        build_server(memory, user, min_score=min_score).run("stdio")
