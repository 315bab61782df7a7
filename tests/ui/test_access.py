"""Tests of access to the page and of its security headers."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from langchain_memlora import MemLoRAMemory
from langchain_memlora.errors import InvalidInputError
from langchain_memlora.ui import PageServer
from langchain_memlora.ui.access import AccessMiddleware, is_loopback

TOKEN = "sixteen-or-more-characters"


def visitor(token: str | None = None, *, local: bool = True, address: str = "http://127.0.0.1:7860") -> TestClient:
    page = Starlette(routes=[Route("/", lambda request: PlainTextResponse("in"), methods=["GET", "POST"])])
    return TestClient(
        AccessMiddleware(page, token=token, cookie="door", local=local), base_url=address, follow_redirects=False
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_loopback_hosts(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org", "localhost.example.org", ""])
def test_non_loopback_hosts(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("address", ["http://127.0.0.1:7860", "http://localhost", "http://[::1]:7860"])
def test_loopback_needs_no_token(address: str) -> None:
    assert visitor(address=address).get("/").text == "in"


def test_rebound_host_name_is_refused() -> None:
    assert visitor(address="http://rebound.example.org:7860").get("/").status_code == 421


def test_cross_origin_post_is_refused() -> None:
    guest = visitor()
    assert guest.post("/", headers={"origin": "https://example.org"}).status_code == 403
    assert guest.post("/", headers={"origin": "null"}).status_code == 403
    assert guest.post("/", headers={"origin": "http://127.0.0.1:7860"}).text == "in"


def test_token_is_exchanged_for_cookie() -> None:
    guest = visitor(TOKEN, local=False, address="http://192.168.1.4:7860")
    refused = guest.get("/")
    assert refused.status_code == 401
    assert TOKEN not in refused.text
    first = guest.get("/", params={"token": TOKEN})
    assert (first.status_code, first.headers["location"]) == (303, "/")
    assert "HttpOnly" in first.headers["set-cookie"]
    assert guest.get("/").text == "in"


@pytest.mark.parametrize("wrong", ["", "x", TOKEN[:-1], TOKEN + "x", "ünïcode"])
def test_wrong_token_is_refused(wrong: str) -> None:
    guest = visitor(TOKEN, local=False, address="http://192.168.1.4:7860")
    assert guest.get("/", params={"token": wrong}).status_code == 401
    assert guest.get("/", headers={"cookie": f"door={wrong}".encode("latin-1", "replace")}).status_code == 401


def test_security_headers_are_sent() -> None:
    headers = visitor().get("/").headers
    assert "connect-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"


def test_token_only_for_public_address(memory: MemLoRAMemory) -> None:
    servers = [PageServer(memory, "ana", host=host, port=0) for host in ("127.0.0.1", "0.0.0.0", "0.0.0.0")]
    for server in servers:
        server.close()
    local, *open_to_all = [server.url.partition("?token=")[2] for server in servers]
    assert local == ""
    assert all(len(token) > 40 for token in open_to_all)
    assert len(set(open_to_all)) == 2


def test_short_token_and_used_port_raise(memory: MemLoRAMemory) -> None:
    with pytest.raises(InvalidInputError, match="at least 16"):
        PageServer(memory, "ana", port=0, token="short")
    server = PageServer(memory, "ana", port=0, token=TOKEN)
    port = int(server.url.split(":")[2].split("/")[0])
    with pytest.raises(InvalidInputError, match="another --host or --port"):
        PageServer(memory, "ana", port=port)
    server.close()
