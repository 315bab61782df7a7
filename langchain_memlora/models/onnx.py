"""A text encoder in ONNX form, computed with ONNX Runtime: no torch, no transformers.

Texts are computed one at a time, in parallel on several threads, and never padded. The int8 models scale their activations
by the largest value of the whole batch, so beside other texts a text would get another vector (a cosine of 0.989 was
measured), and on processors a batch is hardly faster.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from langchain_memlora.errors import ModelNotFoundError

if TYPE_CHECKING:
    from tokenizers import Encoding

MODEL, TOKENIZER = "model.onnx", "tokenizer.json"
MAX_TOKENS = 512
MAX_THREADS = 8
WIDEST = 100
"""Characters a token that are read at most, so that a text of megabytes takes no seconds to cut."""
A = TypeVar("A")
B = TypeVar("B")


class OnnxEncoder:
    """A BERT-like model and its tokenizer. All methods may be called by several threads at a time.

    A text's result depends on that text alone, not on the other texts of a call or the number of threads.

    Args:
        folder: Has `model.onnx` and `tokenizer.json`.
        max_tokens: Longer texts are cut to this many tokens, including the special ones.
        threads: How many texts are computed at a time; by default one a core, at most 8.

    Attributes:
        dimensions: The width of the model's output.

    Raises:
        ModelNotFoundError: A file is missing, truncated or unreadable.

    Example:
        ```python
        from langchain_memlora.models.fetch import ensure_pinned
        from langchain_memlora.models.onnx import OnnxEncoder

        encoder = OnnxEncoder(ensure_pinned("bge-small-en-v1.5"))
        assert encoder.first_states(["green tea"]).shape == (1, 384)
        ```
    """

    def __init__(self, folder: Path, *, max_tokens: int = MAX_TOKENS, threads: int | None = None) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        self.max_tokens = max_tokens
        self._threads = threads or min(MAX_THREADS, os.cpu_count() or 1)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # also keeps it usable after a fork
        options.log_severity_level = 3
        self._tokenizer = _read(folder / TOKENIZER, lambda file: Tokenizer.from_file(str(file)))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)
        self._session = _read(
            folder / MODEL,
            lambda file: onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"]),
        )
        self.dimensions = int(self._session.get_outputs()[0].shape[-1])
        self._inputs = {put.name for put in self._session.get_inputs()}

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text's tokens, special ones included."""
        return [encoding.ids for encoding in self._encode(texts)]

    def token_id(self, token: str) -> int | None:
        """Return the id of a token, or None if the vocabulary lacks it."""
        found: int | None = self._tokenizer.token_to_id(token)
        return found

    def states(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return each text's hidden states: float32, shape (tokens, dimensions), special tokens included, not normalised."""
        return self.states_of(self.token_ids(texts))

    def states_of(self, ids: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """Return `states` for texts that are token ids already."""
        return self._each(lambda one: self._run(one, [0] * len(one)), ids)

    def first_states(self, texts: Sequence[str]) -> np.ndarray:
        """Return the hidden state of each text's first token ([CLS]): float32, shape (texts, dimensions)."""
        rows = self._each(lambda one: self._run(one, [0] * len(one))[0], self.token_ids(texts))
        return np.array(rows, dtype=np.float32).reshape(len(rows), self.dimensions)

    def scores(self, query: str, texts: Sequence[str]) -> np.ndarray:
        """Return a cross-encoder's logit of each text for a query: float32, shape (texts,)."""
        encodings = self._encode([(query, text) for text in texts])
        return np.array(self._each(lambda one: self._run(one.ids, one.type_ids)[0], encodings), dtype=np.float32)

    def _encode(self, inputs: Sequence[str] | Sequence[tuple[str, str]]) -> list[Encoding]:
        widest = self.max_tokens * WIDEST
        cut = [one[:widest] if isinstance(one, str) else (one[0][:widest], one[1][:widest]) for one in inputs]
        found: list[Encoding] = self._tokenizer.encode_batch(cut)
        return found

    def _run(self, ids: Sequence[int], type_ids: Sequence[int]) -> np.ndarray:
        """Compute one text and return the first output, without the batch's dimension."""
        feed = {"input_ids": ids, "attention_mask": [1] * len(ids), "token_type_ids": type_ids}
        fed = {name: np.array([value], dtype=np.int64) for name, value in feed.items() if name in self._inputs}
        output: np.ndarray = self._session.run(None, fed)[0][0]
        return output

    def _each(self, call: Callable[[A], B], items: Sequence[A]) -> list[B]:
        if self._threads == 1 or len(items) < 2:
            return [call(item) for item in items]
        with ThreadPoolExecutor(min(self._threads, len(items))) as pool:
            return list(pool.map(call, items))


def _read(file: Path, load: Callable[[Path], B]) -> B:
    if not file.is_file():
        msg = f"There is no {file}. Run `memlora models pull`, or pass a folder with {MODEL} and {TOKENIZER}."
        raise ModelNotFoundError(msg)
    try:
        return load(file)
    except Exception as error:  # ONNX Runtime and tokenizers raise many types, among them plain Exception
        msg = (
            f"{file} can't be read ({error!s:.200}); it is probably truncated. Delete {file.parent} and run "
            "`memlora models pull`."
        )
        raise ModelNotFoundError(msg) from error
