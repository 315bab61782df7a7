"""Base models, embedders and models of search: pinned by hash, fetched once, kept in a cache."""

from langchain_memlora.models.base_model import BaseModel, resolve_base_model
from langchain_memlora.models.cache import cache_dir
from langchain_memlora.models.embedder import OnnxEmbeddings, default_embeddings, embedder_id
from langchain_memlora.models.pins import DEFAULT_BASE, DEFAULT_EMBEDDER, EARLIER_EMBEDDER, PINS, Pin

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
