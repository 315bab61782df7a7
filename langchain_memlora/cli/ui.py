"""`memlora ui`: a page to talk to the memory and to watch it work."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from langchain_memlora.cli.setting import Setting
from langchain_memlora.cli.show import busy, console


def ui(
    ctx: typer.Context,
    user: Annotated[
        str, typer.Option("--user", "-u", envvar="MEMLORA_USER", help="Who is talking when the page opens.")
    ] = "me",
    host: Annotated[
        str, typer.Option(help="Address to serve on. Any but this machine's own asks visitors for a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to serve on; 0 takes any that is free.")] = 7860,
    token: Annotated[
        str | None,
        typer.Option(envvar="MEMLORA_TOKEN", help="What visitors must bring. Made up where one is needed."),
    ] = None,
) -> None:
    """Serve a page to talk to the memory, to see what it learns, and to undo it."""
    from langchain_memlora.ui import PageServer

    setting: Setting = ctx.obj
    out = console()
    with setting.open() as memory:
        server = PageServer(memory, user, host=host, port=port, token=token)
        try:
            with busy(out, "loading the experts"):
                memory.warm()
            out.print(Text(f"Open {server.url}"), soft_wrap=True)
            out.print(Text("Ctrl+C ends it; what was remembered stays.", "dim"))
            server.run()
        finally:
            server.close()
