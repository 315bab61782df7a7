"""Counting of tokens with a base model's tokenizer, without the model and without torch."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from langchain_memlora.errors import ModelError
from langchain_memlora.models.base_model import is_cached, resolve_base_model
from langchain_memlora.models.pins import PINS
from langchain_memlora.tokens import tokens_at_most

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class TokenCounter:
    """Counts tokens as a base model reads them; where its files are not on this machine, at most as many as it may be.

    Args:
        base: Name or folder of the base model.
    """

    def __init__(self, base: str) -> None:
        self._base = base
        self._loading = threading.Lock()
        self._tokenizer: Tokenizer | None = None
        self._limit: int | None = None
        self._tried = False

    def count(self, text: str) -> int:
        """Return the number of tokens of a text."""
        tokenizer = self._loaded()
        if tokenizer is None:
            return tokens_at_most(text)
        return len(tokenizer.encode(text.encode("utf-8", "replace").decode(), add_special_tokens=False).ids)

    @property
    def limit(self) -> int | None:
        """The number of tokens that the model can read and write together, if it is known."""
        self._loaded()
        return self._limit

    def _loaded(self) -> Tokenizer | None:
        with self._loading:
            if not self._tried and (folder := self._folder()):
                self._tried = True
                try:
                    self._load(folder)
                except Exception:  # tokenizers raises plain Exception; the engine reports what is wrong with the files
                    self._tokenizer = None
            return self._tokenizer

    def _load(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        limit = config.get("max_position_embeddings")
        self._limit = limit if isinstance(limit, int) else None

    def _folder(self) -> Path | None:
        """Return the folder of the base model; None until its files are on this machine."""
        if self._base in PINS and not is_cached(self._base):
            return None
        try:
            folder = Path(resolve_base_model(self._base).source)
        except ModelError:
            return None
        return folder if (folder / "tokenizer.json").is_file() else None
