"""Describing pictures: by the vision expert, or by a captioning function for experts that only read text."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langchain_memlora.bundles.bundle import Bundle
from langchain_memlora.bundles.roles import Role
from langchain_memlora.engines.base import Engine, Request
from langchain_memlora.errors import EngineError
from langchain_memlora.experts.dialects import DIALECTS
from langchain_memlora.experts.prompts import render
from langchain_memlora.experts.usage import usage_of
from langchain_memlora.types import Usage

Captioner = Callable[[bytes], str]
"""Takes the bytes of a PNG or JPEG file and returns a short description of the picture."""

DESCRIBE = "What does the picture show?"
MAX_TOKENS = 48


@dataclass(frozen=True)
class VisionExpert:
    """A bundle's vision expert on an engine that takes images."""

    bundle: Bundle
    engine: Engine

    def describe(self, images: Sequence[bytes]) -> tuple[list[str], Usage]:
        """Return a caption for each picture.

        Raises:
            ExpertOutputError: The output can't be read.
        """
        return self._ask("caption", [(DESCRIBE, "", (image,)) for image in images])

    def answer(self, question: str, context: str, images: Sequence[bytes]) -> tuple[str, Usage]:
        """Answer a question about pictures.

        Raises:
            ExpertOutputError: The output can't be read.
        """
        texts, usage = self._ask("answer_from_image", [(question, context, tuple(images))])
        return texts[0], usage

    def _ask(self, stage: str, asked: Sequence[tuple[str, str, tuple[bytes, ...]]]) -> tuple[list[str], Usage]:
        role = Role.VISION if Role.VISION in self.bundle.adapters else None
        limit = self.bundle.card.max_tokens.get(Role.VISION, MAX_TOKENS)
        requests = [
            Request(role, render(self.bundle, Role.VISION, question=question, context=context), limit, images=images)
            for question, context, images in asked
        ]
        completions = self.engine.run(requests)
        dialect = DIALECTS[self.bundle.card.dialect]()
        return [dialect.read_vision(completion) for completion in completions], usage_of(stage, completions)


@dataclass(frozen=True)
class Captions:
    """A captioning function of the user's own, in place of a vision expert."""

    captioner: Captioner

    def describe(self, images: Sequence[bytes]) -> tuple[list[str], Usage]:
        """Return a caption for each picture.

        Raises:
            EngineError: The function failed, or returned no text.
        """
        start = time.perf_counter()
        captions = [self._caption(image) for image in images]
        return captions, Usage("caption", calls=len(images), seconds=time.perf_counter() - start)

    def _caption(self, image: bytes) -> str:
        try:
            caption: object = self.captioner(image)
        except Exception as error:
            msg = f"The captioner failed ({type(error).__name__}: {error!s:.200}). Fix it; `retry` calls it again."
            raise EngineError(msg) from error
        if not isinstance(caption, str) or not caption.strip():
            msg = f"The captioner returned {caption!r:.80}, not text. Let it return a text; `retry` calls it again."
            raise EngineError(msg)
        return " ".join(caption.split())
