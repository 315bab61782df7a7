"""Small images as the bytes of files."""

import base64
import io
from typing import Any

from PIL import Image


def png(colour: str = "teal", size: tuple[int, int] = (8, 6), form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, form, **options)
    return file.getvalue()


def block(data: bytes, kind: str = "image/png") -> dict[str, Any]:
    """Return LangChain's standard content block."""
    return {"type": "image", "base64": base64.b64encode(data).decode(), "mime_type": kind}


def shown(text: str, *images: bytes, **fields: Any) -> dict[str, Any]:
    """Return a user message with text and images."""
    words = [{"type": "text", "text": text}] if text else []
    return {"role": "user", "content": [*words, *map(block, images)], **fields}
