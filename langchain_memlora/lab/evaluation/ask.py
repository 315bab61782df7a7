"""Stage two: questions to a filled memory, in groups so that the engine answers them as one batch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from langchain_memlora.experts import Experts
from langchain_memlora.graph.answer import is_known
from langchain_memlora.lab.evaluation.conversations import AnnotatedQuestion
from langchain_memlora.lab.evaluation.runs import RecordedAnswer
from langchain_memlora.lab.evaluation.setups import MEMLORA, Setup
from langchain_memlora.retrieval.context import BUDGET, MESSAGE_CLIP, build_context
from langchain_memlora.types import Answer, Hit, Scope

if TYPE_CHECKING:
    from langchain_memlora.memory.memory import MemLoRAMemory

DEPTH = 20
"""Number of hits recorded: recall is measured beyond the hits that are read."""


@dataclass(frozen=True, slots=True)
class ReaderLimits:
    """Limits on what the reader gets of the hits, and the number of questions asked at once.

    Attributes:
        k: Up to this many hits.
        budget: About this many tokens.
        together: Questions in one group. More are cheaper, one at a time measures latency.
    """

    k: int = 5
    budget: int = BUDGET
    together: int = 8


def ask(
    memory: MemLoRAMemory, setup: Setup, user_id: str, questions: Sequence[AnnotatedQuestion], reading: ReaderLimits
) -> Iterator[list[RecordedAnswer]]:
    """Answer questions, a group at a time, in order."""
    with ThreadPoolExecutor(max_workers=reading.together) as threads:
        for first in range(0, len(questions), reading.together):
            group = questions[first : first + reading.together]
            start = time.perf_counter()
            answers = list(threads.map(lambda question: _answer(memory, setup, user_id, question, reading), group))
            share = (time.perf_counter() - start) / len(group)
            yield [
                _record(memory, setup, user_id, question, answer, share)
                for question, answer in zip(group, answers, strict=True)
            ]


def _answer(
    memory: MemLoRAMemory, setup: Setup, user_id: str, question: AnnotatedQuestion, reading: ReaderLimits
) -> Answer:
    if setup.name == MEMLORA:
        return memory.answer(question.text, user_id=user_id, k=reading.k, budget=reading.budget)
    hits = setup.find(memory, Scope(user_id), question.text, reading.k)
    read = hits if setup.every_hit else hits[: reading.k]
    context = build_context(read, budget=setup.budget or reading.budget)
    experts = Experts(memory.bundle.without(*setup.without), memory.services.experts.engine)
    text, usage = experts.answer(question.text, context)
    return Answer(text, is_known(text), tuple(read), context, (usage,))


def _record(
    memory: MemLoRAMemory, setup: Setup, user_id: str, question: AnnotatedQuestion, answer: Answer, seconds: float
) -> RecordedAnswer:
    hits = setup.find(memory, Scope(user_id), question.text, DEPTH)[:DEPTH]
    sources = _sources_of(memory, [*hits, *answer.hits])
    return RecordedAnswer(
        setup=setup.name,
        conversation=user_id,
        question_id=question.id,
        question=question.text,
        category=question.category,
        gold=question.gold,
        stale=question.stale,
        prediction=answer.text,
        known=answer.known,
        evidence=sorted(question.evidence),
        retrieved=[
            {"memory": hit.memory.text if hit.memory else None, "turns": _message_ids(hit, sources)} for hit in hits
        ],
        shown=sorted(question.evidence & _shown(answer, sources)),
        context=answer.context,
        prompt_tokens=sum(usage.prompt_tokens for usage in answer.usage),
        completion_tokens=sum(usage.completion_tokens for usage in answer.usage),
        seconds=round(seconds, 4),
    )


def _sources_of(memory: MemLoRAMemory, hits: Sequence[Hit]) -> dict[str, str]:
    """Return the message id of each turn that a hit shows or that stated its fact."""
    stated = {turn for hit in hits if hit.memory for turn in hit.memory.turn_ids}
    found = memory.ledger.turns(list(stated)) | {turn.id: turn for hit in hits for turn in hit.turns}
    return {key: turn.message_id for key, turn in found.items()}


def _message_ids(hit: Hit, sources: dict[str, str]) -> list[str]:
    keys = dict.fromkeys([*(turn.id for turn in hit.turns), *(hit.memory.turn_ids if hit.memory else ())])
    return [sources[key] for key in keys if key in sources]


def _shown(answer: Answer, sources: dict[str, str]) -> set[str]:
    """Return message ids of turns in the context, and of turns that stated a fact in it."""
    shown = set()
    for hit in answer.hits:
        if hit.memory and hit.memory.text in answer.context:
            shown |= set(_message_ids(replace(hit, turns=()), sources))
        shown |= {t.message_id for t in hit.turns if " ".join(t.text.split())[:MESSAGE_CLIP] in answer.context}
    return shown
