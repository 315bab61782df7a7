"""The experts as graph nodes see them: extract, decide, answer, see. They know text, never tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from langchain_memlora.bundles.bundle import Bundle
from langchain_memlora.bundles.roles import Role
from langchain_memlora.engines.base import Completion, Engine, Request
from langchain_memlora.errors import ExpertOutputError, VisionNotConfiguredError
from langchain_memlora.experts.dialects import DIALECTS, Ask, Reading
from langchain_memlora.experts.prompts import render
from langchain_memlora.experts.sight import Captions, VisionExpert
from langchain_memlora.experts.usage import usage_of
from langchain_memlora.experts.windows import Window
from langchain_memlora.types import Decision, Event, Fact, Memory, Usage

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Question:
    """One fact to decide, with the memories it may change."""

    fact: Fact
    candidates: tuple[Memory, ...]


@dataclass(frozen=True, slots=True)
class Extraction:
    """What an extraction call gave: the reading and the raw text behind it."""

    reading: Reading
    raw: str


class Experts:
    """Asks the right expert in the bundle's dialect and reads what comes back.

    Each verb takes a whole batch, makes one engine call and returns its cost beside the results.

    Args:
        sight: Who looks at pictures, if anybody can.

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

    def __init__(self, bundle: Bundle, engine: Engine, sight: VisionExpert | Captions | None = None) -> None:
        self.bundle = bundle
        self.engine = engine
        self.sight = sight
        self.dialect = DIALECTS[bundle.card.dialect]()

    def extract(self, windows: Sequence[Window]) -> tuple[list[Extraction], Usage]:
        """Read the facts out of windows; a window whose text can't be read has errors, never an exception."""
        requests = [self._request(Role.EXTRACTION, self.dialect.ask_extraction(window)) for window in windows]
        completions = self.engine.run(requests) if requests else []
        read = [
            Extraction(self.dialect.read_extraction(completion, window), completion.text)
            for completion, window in zip(completions, windows, strict=True)
        ]
        return read, usage_of("extract", completions)

    def decide(
        self, questions: Sequence[Question], answered: dict[Request, Completion] | None = None
    ) -> tuple[list[Decision | ExpertOutputError], Usage]:
        """Choose an operation for each fact among the candidates shown.

        A fact without candidates is an ADD without asking. What is decided with less than the bundle's calibrated
        confidence becomes ADD, so that doubt neither destroys nor drops; a retraction in doubt becomes NONE.

        Args:
            answered: What was asked before and the completions; these requests are not computed again, and the new ones
                are put in.
        """
        answered = {} if answered is None else answered
        asks = [self.dialect.ask_update(q.fact, q.candidates) if q.candidates else [] for q in questions]
        requests = [self._request(Role.MEMORY_UPDATE, ask) for group in asks for ask in group]
        fresh = [request for request in requests if request not in answered]
        computed = self.engine.run(fresh) if fresh else []
        coming = iter(computed)
        completions = [answered[request] if request in answered else next(coming) for request in requests]
        answered.update(zip(requests, completions, strict=True))
        decisions: list[Decision | ExpertOutputError] = []
        done = 0
        for question, group in zip(questions, asks, strict=True):
            mine = completions[done : done + len(group)]
            done += len(group)
            try:
                asked = bool(group)
                decision = self.dialect.read_update(mine, question.fact, question.candidates) if asked else None
                decisions.append(self._careful(decision or Decision(Event.ADD, question.fact)))
            except ExpertOutputError as error:
                decisions.append(error)
        return decisions, usage_of("update", computed)

    def answer(self, question: str, context: str) -> tuple[str, Usage]:
        """Answer a question from a rendered context, or say `unknown`."""
        request = self._request(Role.GENERATION, Ask({"question": question, "context": context}))
        completions = self.engine.run([request])
        return completions[0].text.strip(), usage_of("answer", completions)

    def see(self, images: Sequence[bytes]) -> tuple[list[str], Usage]:
        """A caption for each picture.

        Raises:
            VisionNotConfiguredError: Nobody can look at them.
            EngineError: Who should look failed.
            ExpertOutputError: What the vision expert wrote can't be read.
        """
        return self._eyes(len(images)).describe(images)

    def look(self, question: str, context: str, images: Sequence[bytes]) -> tuple[str, Usage]:
        """Answer a question about pictures: from their pixels, or without a vision expert from captions.

        Raises:
            VisionNotConfiguredError: Nobody can look at them.
            EngineError: Who should look failed.
            ExpertOutputError: What the vision expert wrote can't be read.
        """
        eyes = self._eyes(len(images))
        if isinstance(eyes, VisionExpert):
            return eyes.answer(question, context, images)
        captions, usage = eyes.describe(images)
        shown = "\n".join(f"(picture: {caption})" for caption in captions)
        text, cost = self.answer(question, f"{context}\n{shown}")
        return text, replace(
            cost, stage=usage.stage, calls=cost.calls + usage.calls, seconds=cost.seconds + usage.seconds
        )

    @property
    def answers_from_pixels(self) -> bool:
        """Whether a vision expert is there, rather than captions or nobody."""
        return isinstance(self.sight, VisionExpert)

    def _eyes(self, count: int) -> VisionExpert | Captions:
        if self.sight is None:
            msg = (
                f"{count} image(s) were given, but bundle {self.bundle.card.name} has no vision expert. Pass "
                "MemLoRAMemory(vision=...) or MemLoRAMemory(captioner=...), or leave the images out."
            )
            raise VisionNotConfiguredError(msg)
        return self.sight

    def _request(self, role: Role, ask: Ask) -> Request:
        adapter = role if role in self.bundle.adapters else None
        prompt = render(self.bundle, role, **ask.slots)
        return Request(adapter, prompt, self.bundle.card.max_tokens[role], ask.choices)

    def _careful(self, decision: Decision) -> Decision:
        doubtful = decision.probability < self.bundle.card.update.confidence
        if decision.fact.retracts:
            hit = decision.event is Event.DELETE and not doubtful
            return decision if hit else replace(decision, event=Event.NONE, target=None)
        if doubtful:
            return replace(decision, event=Event.ADD, target=None)
        # What the user tells as news supersedes; only a request to forget deletes.
        return replace(decision, event=Event.UPDATE) if decision.event is Event.DELETE else decision
