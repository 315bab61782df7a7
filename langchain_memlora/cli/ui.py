"""`memlora ui`: a web page to talk to the memory and inspect it."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from langchain_memlora.cli.output import console, spinner
from langchain_memlora.cli.setting import Setting


def ui(
    ctx: typer.Context,
    user: Annotated[
        str, typer.Option("--user", "-u", envvar="MEMLORA_USER", help="The user when the page opens.")
    ] = "me",
    host: Annotated[
        str, typer.Option(help="Address to serve on. Any but a loopback address requires a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to serve on; 0 selects a free one.")] = 7860,
    token: Annotated[
        str | None,
        typer.Option(envvar="MEMLORA_TOKEN", help="Token for visitors. Default: generated if one is required."),
    ] = None,
) -> None:
    """Serve a page to talk to the memory, see its changes and undo them."""
    from langchain_memlora.ui import PageServer

    setting: Setting = ctx.obj
    out = console()
    with setting.open() as memory:
        server = PageServer(memory, user, host=host, port=port, token=token)
        try:
            with spinner(out, "loading the experts"):
                memory.warm()
            out.print(Text(f"Open {server.url}"), soft_wrap=True)
            out.print(Text("Press Ctrl+C to stop; memories are kept.", "dim"))
            server.run()
        finally:
            server.close()
