"""Messages, times and pictures from callers: checked and converted. Pictures are stored beside the ledger by their hash."""

from langchain_memlora.intake.clock import Clock
from langchain_memlora.intake.image_bytes import MAX_BYTES, read_picture
from langchain_memlora.intake.picture import MAX_PIXELS, MAX_SIDE, as_picture
from langchain_memlora.intake.picture_store import ImageStore

__all__ = ["MAX_BYTES", "MAX_PIXELS", "MAX_SIDE", "Clock", "ImageStore", "as_picture", "read_picture"]
