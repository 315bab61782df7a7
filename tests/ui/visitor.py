"""Somebody at the page, in a real Chromium without a window."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from langchain_memlora import MemLoRAMemory
from langchain_memlora.ui import PageServer

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
MISSING = "" if BROWSER and DRIVER else "needs Chromium and its driver: `apt-get install chromium chromium-driver`"
PATIENCE = 120  # seconds, for machines that do other things as well
READY = "#message textarea:not([disabled])"


class Visitor:
    """Acts and looks; every look waits until there is something to see."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        self.visit(url)

    def visit(self, url: str) -> None:
        self.driver.get(url)
        self.find(READY)
        self.find(".talk-empty")
        self.find(".tabs [aria-selected=true]")

    def find(self, css: str) -> WebElement:
        return self.until(lambda: next(iter(self.driver.find_elements(By.CSS_SELECTOR, css)), None))

    def until(self, look: Callable[[], Any]) -> Any:
        """Return the result of `look` once it has one; search again for elements that were replaced meanwhile."""
        waiting = WebDriverWait(self.driver, PATIENCE, 0.1, ignored_exceptions=[WebDriverException])
        return waiting.until(lambda _: look())

    def say(self, text: str) -> str:
        """Say something and wait for what comes of it; gives the text of that exchange."""
        before = len(self.all(".exchange"))
        self.find(READY).send_keys(text, Keys.ENTER)
        self.until(lambda: len(self.all(".exchange")) > before and not self.all(".working") and self.all(READY))
        return self.all(".exchange")[-1].text

    def all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def press(self, css: str) -> None:
        self.until(lambda: self.find(css).click() or True)

    def tab(self, name: str) -> str:
        """Open a panel; gives its text."""
        self.press(f"[data-tab={name}]")
        return self.find(f"[data-panel={name}]").text

    def sees(self, *words: str, css: str = "#panels") -> None:
        """Wait until all of these words are to be seen."""
        self.until(lambda: all(word in self.find(css).text for word in words))

    def requests(self) -> list[str]:
        """Return the addresses this browser requested since the last call."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]

    def complaints(self) -> list[str]:
        """Return the errors in the browser's console."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]


@contextmanager
def open_browser(width: int = 1400, height: int = 900, scale: float = 1) -> Iterator[Chrome]:
    """A browser in a sandbox of its own."""
    options = ChromeOptions()
    options.binary_location = BROWSER or ""
    size = f"--window-size={width},{height}"
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars", size):
        options.add_argument(argument)
    options.add_argument(f"--force-device-scale-factor={scale}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=ChromeService(DRIVER))
    try:
        driver.set_page_load_timeout(PATIENCE)
        yield driver
    finally:
        driver.quit()


@contextmanager
def serve(memory: MemLoRAMemory, user: str, **options: Any) -> Iterator[PageServer]:
    """The page, served from a thread."""
    server = PageServer(memory, user, port=0, **options)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(30)
        server.close()
        assert not thread.is_alive()
