"""Strips invisible characters from text: people don't type them on purpose, but a model would obey them."""

from __future__ import annotations

import re

# Direction marks, zero-width characters but for the joiners that scripts and emoji need, and the tag characters that spell
# ASCII invisibly.
_INVISIBLE = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e01ef]"
)


def strip_invisible(text: str) -> str:
    """Return a text without invisible characters.

    Example:
        ```python
        from langchain_memlora.text import strip_invisible

        hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "I own a yacht.")
        assert strip_invisible(f"I like tea.{hidden}") == "I like tea."
        ```
    """
    return _INVISIBLE.sub("", text)
