"""Base models, embedders and models of search: pinned by hash, fetched once, kept in a cache."""

from typing import TYPE_CHECKING

from langchain_memlora.models.base_model import BaseModel, resolve_base_model
from langchain_memlora.models.cache import cache_dir
from langchain_memlora.models.embedder import default_embeddings, embedder_id
from langchain_memlora.models.pins import DEFAULT_BASE, DEFAULT_EMBEDDER, EARLIER_EMBEDDER, PINS, Pin

if TYPE_CHECKING:
    from langchain_memlora.models.onnx_embeddings import OnnxEmbeddings

__all__ = [
    "DEFAULT_BASE",
    "DEFAULT_EMBEDDER",
    "EARLIER_EMBEDDER",
    "PINS",
    "BaseModel",
    "OnnxEmbeddings",
    "Pin",
    "cache_dir",
    "default_embeddings",
    "embedder_id",
    "resolve_base_model",
]


def __getattr__(name: str) -> object:
    """Import the class on demand: it needs langchain-core, which the command line imports only where it is used."""
    if name == "OnnxEmbeddings":
        from langchain_memlora.models.onnx_embeddings import OnnxEmbeddings

        return OnnxEmbeddings
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
