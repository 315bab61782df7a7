"""Messages and pictures from callers: checked, converted, and pictures stored beside the ledger by the hash of their bytes."""

from langchain_memlora.intake.image_bytes import MAX_BYTES, read_picture
from langchain_memlora.intake.picture import MAX_PIXELS, MAX_SIDE, as_picture
from langchain_memlora.intake.picture_store import ImageStore

__all__ = ["MAX_BYTES", "MAX_PIXELS", "MAX_SIDE", "ImageStore", "as_picture", "read_picture"]
