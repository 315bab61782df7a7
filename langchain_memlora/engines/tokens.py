"""Conversion of chats to token ids and back with the `tokenizers` package alone: transformers would import torch."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from langchain_memlora.errors import BundleError

# Unicode guarantees that these two are never characters, so no text needs them.
_OPEN, _SHUT = "\ufdd0", "\ufdd1"


class ChatTokens:
    """The tokenizer of a base model with a chat template.

    Control tokens in messages are encoded as text: only the template writes real ones.

    Args:
        folder: Contains the base model's `tokenizer.json` and `tokenizer_config.json`.
        template: A Jinja chat template; without it, the base model's own.

    Attributes:
        end: The id of the token that ends a message.
        pad: The id to pad with.
        sha256: Of the vocabulary, as on bundle cards.

    Raises:
        OSError: A file is missing.
        ValueError: A file can't be read, or the tokenizer has no end token.
        BundleError: There is no chat template.

    Example:
        ```python
        from pathlib import Path
        from langchain_memlora.engines.tokens import ChatTokens
        from langchain_memlora.models import resolve_base_model

        tokens = ChatTokens(Path(resolve_base_model().source))
        assert tokens.text(tokens.plain("Hello there")) == "Hello there"
        ```
    """

    def __init__(self, folder: Path, template: str | None = None) -> None:
        raw = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        self._tokenizer = Tokenizer.from_str(json.dumps(raw))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._bare = Tokenizer.from_str(json.dumps({**raw, "added_tokens": []}))
        added = sorted((token["content"] for token in raw["added_tokens"]), key=len, reverse=True)
        self._control = re.compile("|".join(map(re.escape, added)) or "(?!)")
        self._names = {key: _content(value) for key, value in config.items() if key.endswith("_token") and value}
        end = self._tokenizer.token_to_id(self._names.get("eos_token", ""))
        if end is None:
            msg = f"{folder / 'tokenizer_config.json'} names no eos_token of the vocabulary"
            raise ValueError(msg)
        self.end = end
        pad = self._tokenizer.token_to_id(self._names.get("pad_token", ""))
        self.pad = end if pad is None else pad
        own = folder / "chat_template.jinja"
        template = template or config.get("chat_template") or (own.read_text("utf-8") if own.exists() else None)
        if not template:
            msg = f"Neither the bundle nor base model {folder} has a chat template. Add chat_template.jinja."
            raise BundleError(msg)
        # The settings of transformers, for which templates are written.
        self._template = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(template)

    @functools.cached_property
    def sha256(self) -> str:
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=True)
        return hashlib.sha256(json.dumps(vocabulary, sort_keys=True).encode()).hexdigest()

    def chat(self, messages: Sequence[tuple[str, str]]) -> list[int]:
        """Return the ids of (speaker, text) messages, up to where the assistant begins to write."""
        marked = [{"role": speaker, "content": self._marked(text)} for speaker, text in messages]
        written = self._template.render(messages=marked, add_generation_prompt=True, **self._names)
        ids: list[int] = []
        for number, piece in enumerate(re.split(f"[{_OPEN}{_SHUT}]", written)):
            tokenizer = self._bare if number % 2 else self._tokenizer
            ids += tokenizer.encode(piece, add_special_tokens=False).ids
        return ids

    def plain(self, text: str) -> list[int]:
        """Return the ids of a text as it is."""
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def text(self, ids: Sequence[int]) -> str:
        """Return the text of ids, without control tokens."""
        return self._tokenizer.decode(list(ids), skip_special_tokens=True)

    def _marked(self, text: str) -> str:
        text = text.replace(_OPEN, "").replace(_SHUT, "")
        return self._control.sub(rf"{_OPEN}\g<0>{_SHUT}", text)


def _content(token: str | dict[str, str]) -> str:
    return token if isinstance(token, str) else token["content"]
