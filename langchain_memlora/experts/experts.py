"""The experts as graph nodes use them: extract, decide, answer, caption. They handle text, never tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from langchain_memlora.bundles.bundle import Bundle
from langchain_memlora.bundles.roles import Role
from langchain_memlora.engines.base import Completion, Engine, Request
from langchain_memlora.errors import ExpertOutputError, VisionNotConfiguredError
from langchain_memlora.experts.dialects import DIALECTS, Ask, ParsedExtraction
from langchain_memlora.experts.guard import guard
from langchain_memlora.experts.prompts import render
from langchain_memlora.experts.usage import usage_of
from langchain_memlora.experts.vision import Captions, VisionExpert
from langchain_memlora.experts.windows import Window
from langchain_memlora.passages import shown_for
from langchain_memlora.tokens import clip
from langchain_memlora.types import Decision, Event, Fact, Memory, Usage

UNKNOWN = "unknown"
FACT_TOKENS = 200
"""Tokens that an update prompt shows of a fact or a memory; of a longer memory, the passage that is most like the fact."""
QUESTION_TOKENS = 400
"""Tokens that an answer prompt shows of a question: its end."""
TEMPLATE_TOKENS = 100
"""Tokens that are left for the words of a prompt's template and of the chat template."""
LEAST_TOKENS = 64
"""Tokens of a context at least, even for a model that reads next to nothing."""


@dataclass(frozen=True, slots=True)
class UpdateQuestion:
    """A fact to decide, with the memories it may change."""

    fact: Fact
    candidates: tuple[Memory, ...]


@dataclass(frozen=True, slots=True)
class Extraction:
    """The result of an extraction call, and the raw text it was parsed from."""

    parsed: ParsedExtraction
    raw: str


class Decided(NamedTuple):
    """The result of `Experts.decide`.

    Attributes:
        outcomes: A decision, or the error of an output that can't be read, for each question.
        usage: The cost of what was computed.
        answered: All requests answered so far, with their completions.
    """

    outcomes: list[Decision | ExpertOutputError]
    usage: Usage
    answered: dict[Request, Completion]


class Experts:
    """Asks the right expert in the bundle's dialect and parses its output.

    Each method takes a whole batch, makes one engine call and returns its cost beside the results.

    Args:
        vision: Describes pictures; without it, pictures are an error.

    Example:
        ```python
        from langchain_memlora.bundles import load_bundle
        from langchain_memlora.experts import Experts
        from langchain_memlora.testing import ScriptedEngine

        experts = Experts(load_bundle(), ScriptedEngine(generation=["Berlin"]))
        text, usage = experts.answer("Where does Ana live?", "Ana lives in Berlin")
        assert text == "Berlin"
        ```
    """

    def __init__(self, bundle: Bundle, engine: Engine, vision: VisionExpert | Captions | None = None) -> None:
        self.bundle = bundle
        self.engine = engine
        self.vision = vision
        self.dialect = DIALECTS[bundle.card.dialect](bundle.card.choice)

    def extract(self, windows: Sequence[Window]) -> tuple[list[Extraction], Usage]:
        """Extract facts from windows; what can't be parsed, or was never said, is reported in the result, never raised."""
        asks = [self.dialect.ask_extraction(window) for window in windows]
        requests = [self._request(Role.EXTRACTION, ask) for group in asks for ask in group]
        completions = self.engine.run(requests) if requests else []
        extractions: list[Extraction] = []
        done = 0
        for window, group in zip(windows, asks, strict=True):
            own = completions[done : done + len(group)]
            done += len(group)
            raw = "\n".join(completion.text for completion in own)
            extractions.append(Extraction(guard(self.dialect.read_extraction(own, window), window), raw))
        return extractions, usage_of("extract", completions)

    def decide(
        self, questions: Sequence[UpdateQuestion], answered: Mapping[Request, Completion] | None = None
    ) -> Decided:
        """Choose an operation for each fact among the candidates shown.

        A fact without candidates is an ADD without asking. A decision below the bundle's calibrated confidence becomes
        ADD, so that doubt neither destroys nor drops; a doubtful retraction becomes NONE.

        Args:
            answered: Requests answered before, with their completions; these are not computed again.
        """
        answered = answered or {}
        asks = [self._ask_update(question) if question.candidates else [] for question in questions]
        requests = [self._request(Role.MEMORY_UPDATE, ask) for group in asks for ask in group]
        fresh = [request for request in requests if request not in answered]
        computed = self.engine.run(fresh) if fresh else []
        new = iter(computed)
        completions = [answered[request] if request in answered else next(new) for request in requests]
        outcomes: list[Decision | ExpertOutputError] = []
        done = 0
        for question, group in zip(questions, asks, strict=True):
            own = completions[done : done + len(group)]
            done += len(group)
            try:
                decision = self.dialect.read_update(own, question.fact, question.candidates) if group else None
                outcomes.append(self._careful(decision or Decision(Event.ADD, question.fact)))
            except ExpertOutputError as error:
                outcomes.append(error)
        known = {**answered, **dict(zip(requests, completions, strict=True))}
        return Decided(outcomes, usage_of("update", computed), known)

    def answer(self, question: str, context: str) -> tuple[str, Usage]:
        """Answer a question from a rendered context, or say `unknown`. What the model can't read of either is left out."""
        request = self._request(Role.GENERATION, Ask(self._fitting(Role.GENERATION, question, context)))
        completions = self.engine.run([request])
        return completions[0].text.strip(), usage_of("answer", completions)

    def caption(self, images: Sequence[bytes]) -> tuple[list[str], Usage]:
        """Return a caption for each picture.

        Raises:
            VisionNotConfiguredError: There is neither a vision expert nor a captioner.
            EngineError: The vision expert's engine or the captioner failed.
            ExpertOutputError: The vision expert's output can't be read.
        """
        return self._require_vision(len(images)).describe(images)

    def answer_about_images(self, question: str, context: str, images: Sequence[bytes]) -> tuple[str, Usage]:
        """Answer a question about pictures: from their pixels, or without a vision expert from captions.

        Raises:
            VisionNotConfiguredError: There is neither a vision expert nor a captioner.
            EngineError: The vision expert's engine or the captioner failed.
            ExpertOutputError: The vision expert's output can't be read.
        """
        vision = self._require_vision(len(images))
        if isinstance(vision, VisionExpert):
            shown = self._fitting(Role.VISION, question, context)
            return vision.answer(shown["question"], shown["context"], images)
        captions, usage = vision.describe(images)
        described = "\n".join(f"(picture: {caption})" for caption in captions)
        text, cost = self.answer(question, f"{context}\n{described}")
        return text, replace(
            cost, stage="answer_from_image", calls=cost.calls + usage.calls, seconds=cost.seconds + usage.seconds
        )

    def count(self, text: str) -> int:
        """Return the number of tokens of a text, as the model of the text experts reads it."""
        return self.engine.count(text)

    def _ask_update(self, question: UpdateQuestion) -> list[Ask]:
        fact = replace(question.fact, text=clip(question.fact.text, FACT_TOKENS))
        shown = [replace(m, text=shown_for(m.text, fact.text, FACT_TOKENS)) for m in question.candidates]
        return self.dialect.ask_update(fact, shown)

    def _fitting(self, role: Role, question: str, context: str) -> dict[str, str]:
        """Return the slots of an answer prompt, which fit into the model."""
        question = clip(question, QUESTION_TOKENS, self.count, keep_end=True)
        if self.engine.limit is not None:
            taken = self.bundle.card.max_tokens.get(role, 0) + self.count(question) + TEMPLATE_TOKENS
            context = clip(context, max(LEAST_TOKENS, self.engine.limit - taken), self.count)
        return {"question": question, "context": context}

    @property
    def answers_from_pixels(self) -> bool:
        """True if there is a vision expert, rather than a captioner or neither."""
        return isinstance(self.vision, VisionExpert)

    def _require_vision(self, count: int) -> VisionExpert | Captions:
        if self.vision is None:
            msg = (
                f"{count} image(s) were given, but bundle {self.bundle.card.name} has no vision expert. Pass "
                "MemLoRAMemory(vision=...) or MemLoRAMemory(captioner=...), or leave the images out."
            )
            raise VisionNotConfiguredError(msg)
        return self.vision

    def _request(self, role: Role, ask: Ask) -> Request:
        adapter = role if role in self.bundle.adapters else None
        prompt = render(self.bundle, role, **ask.slots)
        return Request(adapter, prompt, self.bundle.card.max_tokens[role], ask.choices)

    def _careful(self, decision: Decision) -> Decision:
        doubtful = decision.probability < self.bundle.card.update.confidence
        if decision.fact.retracts:
            sure = decision.event is Event.DELETE and not doubtful
            return decision if sure else replace(decision, event=Event.NONE, target=None)
        if doubtful:
            return replace(decision, event=Event.ADD, target=None)
        # News supersedes; only a request to forget deletes.
        return replace(decision, event=Event.UPDATE) if decision.event is Event.DELETE else decision
