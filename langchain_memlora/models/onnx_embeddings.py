"""The default embedder as LangChain's `Embeddings`: a model in ONNX form whose vectors are those of the first token."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
from langchain_core.embeddings import Embeddings

from langchain_memlora.models.onnx import OnnxEncoder


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
