"""Serves the page from this process: to this machine, or to whoever holds the token."""

from __future__ import annotations

import asyncio
import secrets
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr
import uvicorn
from fastapi import FastAPI

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.ui.gate import Gate, is_loopback
from langchain_memlora.ui.page import build_page
from langchain_memlora.ui.theme import theme

if TYPE_CHECKING:
    from langchain_memlora.memory.memory import MemLoRAMemory

HOST, PORT = "127.0.0.1", 7860
SHORTEST_TOKEN = 16
GRACE = 2  # seconds for pages that are still open when the server stops
LARGEST_UPLOAD = "10mb"
STATIC = Path(__file__).parent / "static"


class PageServer:
    """Serves the page until it is stopped. The address is taken when the server is made.

    Args:
        user_id: Who is talking when the page opens.
        host: An address of this machine. On any but a loopback address visitors need the token.
        port: 0 takes any that is free.
        token: At least 16 characters; made up if the host needs one and none is given. Whoever holds it may read and
            change every user's memories. It travels unencrypted: put a proxy with TLS before a page that leaves the house.

    Attributes:
        url: Where to open the page, with the token if there is one.

    Raises:
        InvalidInputError: The address can't be taken, the token is too short, or the user's name can't be used.

    Example:
        ```python
        from langchain_memlora import MemLoRAMemory
        from langchain_memlora.ui import PageServer

        with MemLoRAMemory(path="/tmp/memlora-example") as memory:
            server = PageServer(memory, "ana", port=0)
            print(server.url)  # then server.run()
            server.close()
        ```
    """

    def __init__(
        self, memory: MemLoRAMemory, user_id: str, *, host: str = HOST, port: int = PORT, token: str | None = None
    ) -> None:
        local = is_loopback(host)
        if token is not None and len(token) < SHORTEST_TOKEN:
            msg = (
                f"A token of {len(token)} characters is too short. Give at least {SHORTEST_TOKEN}, or none to get one."
            )
            raise InvalidInputError(msg)
        if token is None and not local:
            token = secrets.token_urlsafe(32)
        app = _build(memory, user_id)
        self._socket = _listen(host, port)
        port = self._socket.getsockname()[1]
        app = Gate(app, token=token, cookie=f"memlora_{port}", local=local)
        # An access log would hold the token, which comes with the first address.
        self._server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE)
        )
        name = f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{port}/" + (f"?token={token}" if token else "")

    def run(self) -> None:
        """Serve until `stop`, or until Ctrl+C."""
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Tell `run`, from another thread, to come to an end."""
        self._server.should_exit = True

    def close(self) -> None:
        """Give the address back."""
        self._socket.close()


def _build(memory: MemLoRAMemory, user_id: str) -> FastAPI:
    """Make page and application; inside an event loop, for without one Gradio opens several that it never closes."""

    async def build() -> FastAPI:
        return _mounted(build_page(memory, user_id))

    with ThreadPoolExecutor(1) as aside:  # the caller may have a loop of their own, as a notebook has
        return aside.submit(asyncio.run, build()).result()


def _mounted(page: gr.Blocks) -> FastAPI:
    app = FastAPI(openapi_url=None)
    return gr.mount_gradio_app(
        app,
        page,
        "/",
        footer_links=[],
        run_history=False,  # it would keep conversations in the browser
        show_error=False,
        max_file_size=LARGEST_UPLOAD,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        enable_monitoring=False,
        theme=theme(),
        css_paths=[STATIC / "page.css"],
        favicon_path=str(STATIC / "favicon.png"),
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), port), family=family)
    except (OSError, OverflowError) as error:
        msg = f"{host}:{port} can't be served ({error}). Choose another --host or --port."
        raise InvalidInputError(msg) from error
