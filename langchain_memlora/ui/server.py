"""The server of the page, for this machine or for visitors with the token."""

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
from langchain_memlora.ui.access import AccessMiddleware, is_loopback
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
    """Serves the page until it is stopped. Creating the server binds the address.

    Args:
        user_id: The user when the page opens.
        host: An address of this machine. Except on a loopback address, visitors need the token.
        port: The port to bind; 0 selects a free one.
        token: At least 16 characters; generated if the host needs one and none is given. It grants read and write access to
            every user's memories and travels unencrypted: put a TLS proxy before a page that other machines can reach.

    Attributes:
        url: The address of the page, with the token if there is one.

    Raises:
        InvalidInputError: The address can't be bound, the token is too short, or the user name is invalid.

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
            msg = f"A token of {len(token)} characters is too short. Pass at least {SHORTEST_TOKEN}, or no token to get one."
            raise InvalidInputError(msg)
        if token is None and not local:
            token = secrets.token_urlsafe(32)
        app = _build(memory, user_id)
        self._socket = _listen(host, port)
        port = self._socket.getsockname()[1]
        guarded = AccessMiddleware(app, token=token, cookie=f"memlora_{port}", local=local)
        # An access log would hold the token, which is part of the first request.
        self._server = uvicorn.Server(
            uvicorn.Config(guarded, log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE)
        )
        name = f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{port}/" + (f"?token={token}" if token else "")

    def run(self) -> None:
        """Serve until `stop`, or until Ctrl+C."""
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Make `run` return; call it from another thread."""
        self._server.should_exit = True

    def close(self) -> None:
        """Release the address."""
        self._socket.close()


def _build(memory: MemLoRAMemory, user_id: str) -> FastAPI:
    """Build the page and its application inside an event loop: without one, Gradio opens several and never closes them."""

    async def build() -> FastAPI:
        return _mounted(build_page(memory, user_id))

    with ThreadPoolExecutor(1) as executor:  # the caller may run a loop already, as a notebook does
        return executor.submit(asyncio.run, build()).result()


def _mounted(page: gr.Blocks) -> FastAPI:
    app = FastAPI(openapi_url=None)
    return gr.mount_gradio_app(
        app,
        page,
        "/",
        footer_links=[],
        run_history=False,  # it would store conversations in the browser
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
