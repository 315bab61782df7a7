"""Decoding with a compiled graph: feeds rows of tokens and tracks their attention mask. Tokens and logits, no text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from openvino import CompiledModel, Tensor

from langchain_memlora.engines.openvino.adapters import Factors
from langchain_memlora.engines.prefixes import Branching
from langchain_memlora.engines.tensors import TensorFiles

MASKED = np.float32(np.finfo(np.float16).min)  # infinity would make NaN of rows that attend to nothing


class Decoder:
    """A compiled graph with its state. Every feed adds columns to all rows; padding and rejected tokens are masked.

    Args:
        compiled: The graph of `openvino.graph`.
        embeddings: The base model's tensors; token embeddings are read from the file, row by row.
        head: Size of an attention head.
        theta: Base of the rotation's frequencies.
    """

    def __init__(self, compiled: CompiledModel, embeddings: TensorFiles, head: int, theta: float) -> None:
        self._request = compiled.create_infer_request()
        self._embeddings = embeddings
        self._frequencies = theta ** (-np.arange(0, head, 2) / head)
        self._unmasked = np.zeros((0, 0), dtype=bool)
        self._factors: Factors | None = None

    @property
    def columns(self) -> int:
        """The number of columns of the rows, masked ones included."""
        return self._unmasked.shape[1]

    def choose(self, factors: Factors) -> None:
        """Compute with this adapter from now on."""
        if factors is not self._factors:
            self._factors = None  # so that an adapter set half-way is not taken for set
            for name, factor in factors.items():
                self._request.set_tensor(name, factor)
            self._factors = factors

    def start(self, rows: Sequence[Sequence[int]], pad: int) -> np.ndarray:
        """Drop all rows and read prompts; returns the logits after each, as (rows, vocabulary)."""
        self.forget()
        longest = max(len(row) for row in rows)
        self._unmasked = np.zeros((len(rows), 0), dtype=bool)
        ids = np.array([[pad] * (longest - len(row)) + list(row) for row in rows])
        valid = np.array([[False] * (longest - len(row)) + [True] * len(row) for row in rows])
        return self._feed(ids, valid, np.arange(len(rows)), [longest - 1])[:, 0]

    def branches(self, tree: Branching) -> np.ndarray:
        """Drop all rows and read prompts laid out as one sequence; returns the logits after each, as (prompts, vocabulary).

        The prompts can't be continued.
        """
        self.forget()
        ids, positions = np.array([tree.ids]), np.array([tree.positions])
        logits = self._infer(ids, positions, tree.visible()[None], np.zeros(1, dtype=int), tree.last)
        self.forget()
        return logits[0]

    def step(self, tokens: Sequence[int], rows: Sequence[int]) -> np.ndarray:
        """Feed a token to each row to continue, by its present number; returns the logits after each."""
        ids = np.array(tokens)[:, None]
        return self._feed(ids, np.ones_like(ids, dtype=bool), np.array(rows), [0])[:, 0]

    def ahead(self, tokens: Sequence[int]) -> np.ndarray:
        """Feed several tokens to the only row; returns the logits after each of them, as (tokens, vocabulary)."""
        ids = np.array([tokens])
        return self._feed(ids, np.ones_like(ids, dtype=bool), np.zeros(1, dtype=int), range(len(tokens)))[0]

    def take_back(self, count: int) -> None:
        """Mask the last columns, as if they had never been fed."""
        if count:
            self._unmasked[:, -count:] = False

    def forget(self) -> None:
        """Drop all rows."""
        self._request.reset_state()
        self._unmasked = np.zeros((0, 0), dtype=bool)

    def _feed(self, ids: np.ndarray, valid: np.ndarray, rows: np.ndarray, kept: Sequence[int]) -> np.ndarray:
        before = self._unmasked[rows]
        past, new = before.shape[1], ids.shape[1]
        positions = np.maximum(before.sum(1, keepdims=True) + valid.cumsum(1) - 1, 0)
        self._unmasked = np.concatenate([before, valid], axis=1)
        causal = np.tri(new, past + new, past, dtype=bool)
        itself = np.eye(new, past + new, past, dtype=bool)  # so that padding, too, attends to something
        return self._infer(ids, positions, (causal & self._unmasked[:, None]) | itself, rows, kept)

    def _infer(
        self, ids: np.ndarray, positions: np.ndarray, visible: np.ndarray, rows: np.ndarray, kept: Sequence[int]
    ) -> np.ndarray:
        angles = np.tile(positions[..., None] * self._frequencies, 2)[:, None]
        inputs = {
            "embeddings": self._embeddings.rows("model.embed_tokens.weight", ids),
            "mask": np.where(visible, np.float32(0), MASKED)[:, None],
            "cos": np.cos(angles).astype(np.float32),
            "sin": np.sin(angles).astype(np.float32),
            "beams": rows.astype(np.int32),
            "kept": np.array(kept, dtype=np.int32),
        }
        for name, value in inputs.items():
            self._request.set_tensor(name, Tensor(np.ascontiguousarray(value), shared_memory=False))
        self._request.infer()
        return self._request.get_tensor("logits").data.copy()
