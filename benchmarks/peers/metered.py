"""An engine around another that counts calls and tokens by stage, and can force output lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from langchain_memlora.engines.base import Completion, Engine, Request

COUNTED = ("calls", "read", "written", "seconds")


class Metered(Engine):
    """Counts calls, tokens and seconds of each stage.

    Args:
        inner: The real engine. Only this engine's worker uses it, so it need not be opened or closed.
        lengths: By stage: the exact number of tokens to write, even after an end token.

    Attributes:
        stage: The stage of requests without a role.
        texts: By stage: the output in place of the written one.
        spent: Calls, tokens and seconds since it was cleared, by stage.
    """

    def __init__(self, inner: Engine, lengths: Mapping[str, int] | None = None) -> None:
        self._inner = inner
        self._lengths = lengths or {}
        self.stage = ""
        self.texts: dict[str, str] = {}
        self.spent: dict[str, dict[str, float]] = {}

    def load(self) -> None:
        self._inner.load()
        if self._lengths:
            _never_end(self._inner)

    def release(self) -> None:
        self._inner.release()

    def compute(self, requests: Sequence[Request]) -> list[Completion]:
        stages = [str(request.role or self.stage) for request in requests]
        asked = [
            replace(request, max_tokens=self._lengths.get(stage, request.max_tokens))
            for request, stage in zip(requests, stages, strict=True)
        ]
        found = self._inner.compute(asked)
        for stage, request, completion in zip(stages, asked, found, strict=True):
            written = request.max_tokens if stage in self._lengths and not request.choices else 0
            row = (1, completion.prompt_tokens, written or completion.completion_tokens, completion.seconds)
            total = self.spent.setdefault(stage, dict.fromkeys(COUNTED, 0))
            self.spent[stage] = {key: total[key] + value for key, value in zip(COUNTED, row, strict=True)}
        return [
            completion if request.choices or stage not in self.texts else _said(completion, self.texts[stage])
            for stage, request, completion in zip(stages, asked, found, strict=True)
        ]


def _said(completion: Completion, text: str) -> Completion:
    return replace(completion, text=text, finished=True)


def _never_end(engine: Any) -> None:
    """Make a loaded engine continue after an end token. Engines have no option for that."""
    loaded = engine._loaded
    if model := getattr(loaded, "model", None):
        getattr(model, "get_base_model", lambda: model)().generation_config.eos_token_id = None
    else:
        loaded.tokens.end = -1
