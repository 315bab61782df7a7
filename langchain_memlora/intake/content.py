"""Reads what a message says: its text, from content blocks of any provider too, and the images in it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import BaseMessage

from langchain_memlora.intake.thinking import strip_thinking

_ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool", "function": "tool"}
_THINKING = {"reasoning", "thinking", "redacted_thinking", "reasoning_content"}
_OMITTED = {
    "tool_call_chunk",
    "server_tool_call_chunk",
    "tool_use",
    "server_tool_use",
    "executable_code",
    "cache_point",
}
_TOOL_ENDINGS = ("_call", "_call_output", "tool_result", "execution_result", "function_response")
_IMAGES = {"image", "image_url", "input_image"}
_TEXTS = ("text", "refusal", "transcript")
_NESTED = ("text", "source", "content", "value", "document", "file", "reasoning_content")
_TEXT_TYPES = ("application/json", "application/xml", "application/yaml", "application/x-yaml", "application/toml")
_DEPTH = 50


@dataclass(slots=True)
class Content:
    """The content of a message.

    Attributes:
        images: Content blocks that hold an image.
        unreadable: A description of each block that is neither text nor image.
        omitted: Types of the blocks that are nothing said: an assistant's reasoning, tool calls and their results.
    """

    text: str = ""
    images: list[dict[str, Any]] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    omitted: list[str] = field(default_factory=list)


def role_of(message: BaseMessage) -> str:
    """Return a message's role. Chunks of a streamed message count as messages; a `ChatMessage` has its own role."""
    kind = message.type.removesuffix("MessageChunk").lower()
    kind = str(getattr(message, "role", kind)) if kind == "chat" else kind
    return _ROLES.get(kind, kind)


def read_content(message: BaseMessage) -> Content:
    """Read a message's content blocks, also nested ones, without what an assistant thought.

    An assistant's strings and text blocks are cut from one text and joined as they are, as in LangChain's `message.text`.
    Other blocks are pieces of their own, and begin on a new line.

    Example:
        ```python
        from langchain_core.messages import HumanMessage

        from langchain_memlora.intake.content import read_content

        note = {"type": "document", "source": {"type": "text", "data": "The flat has two rooms."}}
        content = read_content(HumanMessage([{"type": "input_text", "text": "My flat:"}, note]))
        assert content.text.splitlines() == ["My flat:", "The flat has two rooms."]
        ```
    """
    reader = _Reader(is_user=role_of(message) == "user")
    blocks = [message.content] if isinstance(message.content, str) else message.content
    for block in blocks:
        reader.read(block)
    content = reader.content
    content.text = _joined(reader.parts)
    if role_of(message) == "assistant":
        content.text = strip_thinking(content.text)
    return content


class _Reader:
    """Collects the content of one message; `parts` are its texts, each with whether it is cut from one text."""

    def __init__(self, *, is_user: bool) -> None:
        self.content = Content()
        self.parts: list[tuple[str, bool]] = []
        self._is_user = is_user

    def read(self, block: Any, depth: int = 0, outer: str = "") -> None:
        if isinstance(block, str):
            self.parts.append((block, not depth and not self._is_user))
            return
        if isinstance(block, list | tuple) and depth < _DEPTH:
            for part in block:
                self.read(part, depth + 1, outer)
            return
        if not isinstance(block, Mapping):
            self.content.unreadable.append(_described({"type": outer or type(block).__name__}))
            return
        kind = str(block.get("type") or outer)
        if kind in (_OMITTED if self._is_user else _OMITTED | _THINKING) or kind.endswith(_TOOL_ENDINGS):
            self.content.omitted.append(kind)
        elif kind in _IMAGES or str(_mime(block)).startswith("image/"):
            self.content.images.append(_as_image(block, kind))
        elif (text := _text(block, kind)) is not None:
            self.parts += _titles(block)
            self.parts.append((text, kind in {"text", "output_text"} and not self._is_user))
        else:
            self._read_inside(block, kind, depth)

    def _read_inside(self, block: Mapping[str, Any], kind: str, depth: int) -> None:
        """Read what a block holds in blocks of its own, or in its `content`."""
        inside = {key: block[key] for key in _NESTED if isinstance(block.get(key), Mapping | list | tuple)}
        if isinstance(block.get("content"), str):
            inside["content"] = block["content"]
        if not inside or depth >= _DEPTH:
            self.content.unreadable.append(_described({**block, "type": kind}))
            return
        start = len(self.parts)
        for key, part in inside.items():
            # The type of a source is its form, such as base64, and says nothing about what it holds.
            is_source = key == "source" and isinstance(part, Mapping)
            self.read({**part, "type": kind, "form": part.get("type")} if is_source else part, depth + 1, kind)
        if len(self.parts) > start:
            self.parts[start:start] = _titles(block)


def _titles(block: Mapping[str, Any]) -> list[tuple[str, bool]]:
    return [(block[key], False) for key in ("title", "context") if isinstance(block.get(key), str)]


def _text(block: Mapping[str, Any], kind: str) -> str | None:
    """Return the text that a block holds itself."""
    keys = (*_TEXTS, "reasoning", "thinking") if kind in _THINKING else _TEXTS
    for key in keys:
        if isinstance(block.get(key), str):
            return str(block[key])
    mime = _mime(block) or ""
    data = block.get("data") or block.get("base64") or block.get("file_data")
    if block.get("form") == "text" and isinstance(data, str):
        return data
    if isinstance(data, str) and data.startswith("data:"):
        mime, _, data = data.removeprefix("data:").partition(";base64,")
    if isinstance(data, str) and (
        mime.startswith("text/") or mime.split(";")[0].endswith((*_TEXT_TYPES, "+json", "+xml"))
    ):
        try:
            return base64.b64decode(data, validate=True).decode()
        except (binascii.Error, ValueError):
            return None
    return None


def _mime(block: Mapping[str, Any]) -> str | None:
    mime = block.get("mime_type") or block.get("media_type")
    return mime if isinstance(mime, str) else None


def _as_image(block: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return a block in a form that `read_picture` takes."""
    if kind == "input_image":
        return {"type": "image_url", "image_url": block.get("image_url")}
    return dict(block) if kind in _IMAGES else {**block, "type": "image"}


def _described(block: Mapping[str, Any]) -> str:
    names = [block.get("filename"), block.get("title"), _mime(block)]
    details = ", ".join(f"{name:.80}" for name in names if isinstance(name, str) and name)
    kind = str(block.get("type") or "unknown")
    return (
        f"A content block of type {kind!r:.80}{f' ({details})' if details else ''} holds no text that can be read, and is not "
        "stored. Pass its text in a text block."
    )


def _joined(parts: Iterable[tuple[str, bool]]) -> str:
    """Join texts: those cut from one text as they are, others on lines of their own."""
    whole, last = "", True
    for text, is_cut in parts:
        if not text:
            continue
        apart = bool(whole) and not (last and is_cut) and not whole[-1].isspace() and not text[0].isspace()
        whole += f"\n{text}" if apart else text
        last = is_cut
    return whole
