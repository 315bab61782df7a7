"""Access control for the page: the token, the origin of requests, and what the browser may load."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
# Gradio compiles its templates in the browser, hence 'unsafe-eval'; nothing is loaded from or sent to other hosts.
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Mapping[str, str] = {
    "content-security-policy": POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
_LOGIN_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>memlora</title><style>
:root { color-scheme: light dark; font: 17px/1.5 system-ui, sans-serif } body { max-width: 26rem; margin: 20vh auto }
input, button { font: inherit; padding: .5rem .75rem; border-radius: .5rem; border: 1px solid #8888 }</style>
<h1>memlora</h1><p>This page asks for the token that <code>memlora ui</code> printed when it started.</p>
<form><input name="token" type="password" aria-label="Token" autofocus required> <button>Enter</button></form></html>"""


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address.

    Example:
        ```python
        from langchain_memlora.ui.access import is_loopback

        assert is_loopback("127.0.0.1") and not is_loopback("0.0.0.0")
        ```
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class AccessMiddleware:
    """An ASGI middleware that admits visitors with the token, and requests only from the page itself.

    Args:
        token: The token a visitor must pass once as `?token=` in the address; a cookie then holds it. `None` requires none.
        cookie: The cookie's name; ports share cookies, so two pages on one machine need two names.
        local: Only this machine is served, so the address must be one of its names. Another name belongs to a web site
            that points here to read the page from outside (DNS rebinding).

    A request from another site (its `Origin` differs from the address it goes to) is always refused.
    """

    def __init__(self, app: ASGIApp, *, token: str | None, cookie: str, local: bool) -> None:
        self._app, self._token, self._cookie, self._local = app, token, cookie, local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            refusal = self._refusal(HTTPConnection(scope))
            await (refusal or self._app)(scope, receive, _guarded(send))
        # The page opens no websocket, so websocket requests get no answer.

    def _refusal(self, request: HTTPConnection) -> Response | None:
        if self._local and _name(request.headers) not in LOOPBACK_NAMES:
            return PlainTextResponse("This page is only served to this machine. Open it as 127.0.0.1.", 421)
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
            return PlainTextResponse("Requests from other sites are refused.", 403)
        if self._token is None:
            return None
        given = request.query_params.get("token")
        if given is not None and self._opens(given):
            response = RedirectResponse(request.url.path, 303)
            response.set_cookie(self._cookie, given, httponly=True, samesite="lax")
            return response
        if self._opens(request.cookies.get(self._cookie, "")):
            return None
        return HTMLResponse(_LOGIN_PAGE, 401)

    def _opens(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), (self._token or "").encode())


def _name(headers: Headers) -> str | None:
    return urlsplit(f"//{headers.get('host', '')}").hostname


def _guarded(send: Send) -> Send:
    """Add the security headers to every response."""

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(HEADERS)
        await send(message)

    return guarded
