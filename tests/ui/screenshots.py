"""Writes the pictures of the page that the docs show: the real experts, a real browser. `make screenshots` runs it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from visitor import MISSING, Visitor, open_browser, serve

from langchain_memlora import MemLoRAMemory

SAID = (
    "I live in Porto with my dog Bruno.",
    "I plan to travel to Rome in May.",
    "We had to cancel the trip to Rome last week.",
    "When did I cancel the trip?",
)


def main(folder: Path) -> None:
    """Talk to the page and photograph it, in light and dark."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as home,
        MemLoRAMemory(path=home) as memory,
        serve(memory, "ana") as server,
        open_browser(1320, 940, scale=1.5) as browser,
    ):
        visitor = Visitor(browser, server.url)
        browser.save_screenshot(str(folder / "ui-welcome.png"))
        for text in SAID:
            visitor.say(text)
        visitor.press("#panels summary")
        browser.save_screenshot(str(folder / "ui.png"))
        visitor.tab("recalled")
        browser.save_screenshot(str(folder / "ui-recalled.png"))
        browser.execute_script("document.body.classList.add('dark')")
        visitor.tab("changes")
        browser.save_screenshot(str(folder / "ui-changes-dark.png"))


if __name__ == "__main__":
    if MISSING:
        sys.exit(MISSING)
    main(Path(sys.argv[1]))
