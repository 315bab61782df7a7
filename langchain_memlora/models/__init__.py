"""Base models and embedders: pinned by hash, fetched once, kept in a cache."""

from langchain_memlora.models.base_model import BaseModel, resolve_base_model
from langchain_memlora.models.cache import cache_dir
from langchain_memlora.models.embedder import default_embeddings, embedder_id
from langchain_memlora.models.pins import DEFAULT_BASE, DEFAULT_EMBEDDER, PINS, Pin

__all__ = [
    "DEFAULT_BASE",
    "DEFAULT_EMBEDDER",
    "PINS",
    "BaseModel",
    "Pin",
    "cache_dir",
    "default_embeddings",
    "embedder_id",
    "resolve_base_model",
]
