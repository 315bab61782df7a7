"""Tests of the page in a real Chromium."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="needs selenium")
pytest.importorskip("gradio", reason="needs gradio")

from selenium.webdriver import Chrome, Keys
from visitor import MISSING, Visitor, open_browser, serve

from langchain_memlora import MemLoRAMemory, TransformersEngine, load_bundle

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
NASTY = "I like <img src=x onerror=\"document.title='owned'\"> and ${document.title='owned'} {{this}}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    with open_browser() as driver:
        yield driver


@pytest.fixture
def visitor(memory: MemLoRAMemory, browser: Chrome) -> Iterator[Visitor]:
    with serve(memory, "ana") as server:
        browser.delete_all_cookies()
        browser.get_log("performance")
        browser.get_log("browser")
        yield Visitor(browser, server.url)


def test_memory_lifecycle_on_page(visitor: Visitor, memory: MemLoRAMemory) -> None:
    assert "Nothing remembered yet" in visitor.tab("memories")
    assert "ADD" in visitor.say("I live in Porto")
    visitor.sees("User live in Porto", "from 1 message")

    assert "UPDATE" in visitor.say("I live in Berlin")
    visitor.sees("User live in Berlin", "before: User live in Porto")

    visitor.press("[data-memory] [data-verb=restore]")
    visitor.until(lambda: not visitor.all("[data-memory] [data-verb=restore]"))
    assert [m.text for m in memory.get_all(user_id="ana")] == ["User live in Porto"]

    visitor.press("[data-verb=update]")
    visitor.find("textarea.fact").send_keys(Keys.CONTROL, "a")
    visitor.find("textarea.fact").send_keys("User lives in Lisbon", Keys.ENTER)
    visitor.sees("User lives in Lisbon", "before: User live in Porto")
    assert memory.get_all(user_id="ana")[0].text == "User lives in Lisbon"

    visitor.press("[data-verb=delete]")
    visitor.sees("Nothing remembered yet", "1 forgotten")
    visitor.press(".forgotten summary")
    visitor.press(".forgotten [data-verb=restore]")
    visitor.until(lambda: not visitor.all(".forgotten"))  # where the text stands, too, until it is back
    visitor.sees("User lives in Lisbon")
    assert len(memory.get_all(user_id="ana")) == 1

    changes = visitor.tab("changes")
    assert [word for word in changes.split() if word in {"ADD", "UPDATE", "DELETE"}] == [
        *("ADD", "DELETE", "UPDATE", "UPDATE", "UPDATE", "ADD")
    ]


def test_question_shows_context(visitor: Visitor) -> None:
    visitor.say("I live in Porto")
    assert "read from" in visitor.say("Where do I live?")
    assert "User live in Porto" in visitor.tab("recalled")


def test_users_are_separate_and_reload_restores(visitor: Visitor, memory: MemLoRAMemory) -> None:
    visitor.say("I live in Porto")
    box = visitor.find("#user input")
    box.send_keys(Keys.CONTROL, "a")
    box.send_keys("ben", Keys.ENTER)
    visitor.sees("Hello, ben.", css="#conversation")
    visitor.sees("Nothing remembered yet")
    visitor.say("I drink tea")
    assert [m.text for m in memory.get_all(user_id="ben")] == ["User drink tea"]
    visitor.visit(visitor.driver.current_url)
    visitor.sees("User live in Porto")


def test_image_without_vision_expert_keeps_text(visitor: Visitor, tmp_path: Path) -> None:
    (tmp_path / "dog.png").write_bytes(PIXEL)
    visitor.find("#message input[type=file]").send_keys(str(tmp_path / "dog.png"))
    visitor.find("#message img, #message [data-testid=thumbnail], #message .thumbnail-item")
    said = visitor.say("I have a dog")
    assert "no vision expert" in said
    visitor.sees("User have a dog")


def test_user_html_is_not_rendered(visitor: Visitor) -> None:
    visitor.say(NASTY)
    visitor.say("What do I like?")
    visitor.tab("recalled")
    assert visitor.driver.title == "memlora"
    assert "<img src=x" in visitor.find("[data-panel=recalled]").text


def test_page_makes_no_external_requests(visitor: Visitor) -> None:
    visitor.say("I live in Porto")
    home = visitor.driver.current_url.rstrip("/")
    asked = [url for url in visitor.requests() if not url.startswith(("data:", "blob:"))]
    assert asked
    assert [url for url in asked if not url.startswith(home)] == []
    assert visitor.complaints() == []
    assert visitor.all("footer a") == []  # no "built with", no settings


def test_public_page_asks_for_token(memory: MemLoRAMemory, browser: Chrome) -> None:
    with serve(memory, "ana", host="0.0.0.0") as server:
        address, _, token = server.url.replace("0.0.0.0", "127.0.0.1").partition("?token=")
        browser.delete_all_cookies()
        browser.get(address)
        assert "asks for the token" in browser.page_source
        visitor = Visitor(browser, f"{address}?token={token}")
        assert token not in browser.current_url
        visitor.say("I live in Porto")
        visitor.sees("User live in Porto")
        visitor.visit(address)


@pytest.mark.model
def test_page_with_real_experts(browser: Chrome, tmp_path: Path) -> None:
    with (
        TransformersEngine(load_bundle()) as engine,
        MemLoRAMemory(path=tmp_path / "real", engine=engine) as memory,
        serve(memory, "ana") as server,
    ):
        visitor = Visitor(browser, server.url)
        assert "ADD" in visitor.say("I live in Porto with my dog Bruno.")
        visitor.sees("Porto", "from 1 message")
        visitor.press("[data-verb=delete]")
        visitor.sees("1 forgotten")
