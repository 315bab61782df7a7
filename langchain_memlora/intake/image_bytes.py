"""Reads the bytes of an image from any supported form. Nothing is ever fetched from a network."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from langchain_memlora.errors import InvalidImageError, RemoteImageError

MAX_BYTES = 20_000_000
FORMS = "bytes, a path, base64 with a mime_type, or a data: URL"


def read_picture(given: Any) -> bytes:
    """Return the bytes of an image, not decoded yet: see `as_picture`.

    Args:
        given: Bytes, a path, a `data:` URL, or a content block: LangChain's (`base64`, `url`, or `data` with a
            `source_type`), OpenAI's `image_url`, Anthropic's `source`, or ours, `{"type": "image", "path": ...}`.

    Raises:
        RemoteImageError: It is a remote URL; URLs in messages are never fetched.
        InvalidImageError: It has none of these forms, does not exist, or has more than 20 million bytes.

    Example:
        ```python
        from langchain_memlora.intake import read_picture

        assert read_picture({"type": "image", "base64": "aGVsbG8=", "mime_type": "image/png"}) == b"hello"
        ```
    """
    found = _inside(given) if isinstance(given, Mapping) else given
    if isinstance(found, Path):
        return _from_file(found)
    if isinstance(found, str):
        found = _from_url(found)
    if isinstance(found, bytes | bytearray | memoryview):
        if len(found) > MAX_BYTES:
            msg = f"An image has {len(found)} bytes; the limit is {MAX_BYTES}. Make it smaller."
            raise InvalidImageError(msg)
        return bytes(found)
    msg = f"{_short(given)} is not an image. Pass {FORMS}."
    raise InvalidImageError(msg)


def _inside(block: Mapping[str, Any]) -> Any:
    """Return the content of a block: bytes, a `Path`, a URL, or something unknown."""
    if block.get("type") == "image_url":
        url = block.get("image_url")
        return url.get("url") if isinstance(url, Mapping) else url
    source = block.get("source")
    held = {**source, "mime_type": source.get("media_type")} if isinstance(source, Mapping) else block
    kind = held.get("mime_type")
    if isinstance(kind, str) and not kind.startswith("image/"):
        msg = f"An image block has the mime_type {kind!r:.80}. Pass a block of an image/ type."
        raise InvalidImageError(msg)
    if held.get("path"):
        return Path(held["path"])
    data = held.get("base64") or held.get("data")
    return f"data:;base64,{data}" if isinstance(data, str) else data or held.get("url")


def _from_url(url: str) -> bytes:
    scheme, _, rest = url.partition(":")
    if scheme.lower() != "data":
        if "://" in url[:40]:
            msg = f"{url!r:.120} is a remote URL, which is never fetched. Download it and pass its bytes."
            raise RemoteImageError(msg)
        return _from_file(Path(url))
    header, _, data = rest.partition(",")
    if not header.endswith(";base64"):
        msg = f"{url!r:.60} is not in base64. Pass {FORMS}."
        raise InvalidImageError(msg)
    if len(data) > MAX_BYTES * 4 // 3 + 4:
        msg = f"An image has {len(data)} characters of base64; the limit is {MAX_BYTES} bytes. Make it smaller."
        raise InvalidImageError(msg)
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        msg = f"An image is not valid base64 ({error}): {data!r:.40}. Encode it again."
        raise InvalidImageError(msg) from error


def _from_file(path: Path) -> bytes:
    try:
        with path.expanduser().open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError, RuntimeError) as error:
        msg = f"The image {str(path)!r:.200} can't be read ({error!s:.200}). Pass {FORMS}."
        raise InvalidImageError(msg) from error


def _short(given: Any) -> str:
    return f"{given!r:.80}"
