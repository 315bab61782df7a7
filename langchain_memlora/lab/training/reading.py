"""Rows for the generation expert: questions with the context that retrieval finds in a bank of annotated facts.

The reader is trained on realistic contexts: true hits among near ones, superseded turns, missing evidence. Where none of the
evidence was found, the right answer is `unknown`; or, at a chosen rate, the evidence is added to the hits.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from langchain_core.embeddings import Embeddings

from langchain_memlora.bundles import Bundle, Role
from langchain_memlora.experts import UNKNOWN
from langchain_memlora.experts.dialects.lines import read_fact
from langchain_memlora.experts.prompts import render
from langchain_memlora.lab.temporary_index import temporary_index
from langchain_memlora.lab.training.rows import TextRow, as_row
from langchain_memlora.lab.training.stories import WHEN, Story, StoryQuestion, place_of
from langchain_memlora.ledger import Ledger, NewOperation, new_id
from langchain_memlora.models import default_embeddings
from langchain_memlora.retrieval import Include, Retriever, build_context, find_dates
from langchain_memlora.types import Event, Fact, Hit, Scope, Turn

INCLUDES: tuple[Include, ...] = ("both", "both", "both", "both", "memories", "turns")


@dataclass
class StoryBank:
    """A story's facts and turns in a ledger, as a memory with perfect experts would hold them.

    Attributes:
        turns: By the key of each fact they state, and by their own place.
    """

    scope: Scope
    facts: dict[str, Fact] = field(default_factory=dict)
    turns: dict[str, Turn] = field(default_factory=dict)

    def shown_as(self, key: str) -> list[str]:
        """Return the texts by which a fact or turn appears in a context."""
        said = " ".join(self.turns[key].text.split())[:300]
        return [self.facts[key].text, said] if key in self.facts else [said]


def generation_rows(
    bundle: Bundle,
    stories: Iterable[Story],
    *,
    embeddings: Embeddings | None = None,
    budgets: Sequence[int] = (150, 250, 400),
    insert: float = 0.0,
    seed: int = 0,
) -> list[TextRow]:
    """Return a row for each question of each story, with contexts of random sizes and kinds.

    Args:
        budgets: Sizes of context in tokens, drawn for each question.
        insert: Share of the questions without found evidence whose evidence is added to the hits, to keep their answer.
    """
    rng = random.Random(seed)
    real = embeddings or default_embeddings()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number, story in enumerate(stories):
            with Ledger(Path(folder) / f"{number}.sqlite3") as ledger:
                bank = fill(ledger, story)
                retriever = temporary_index(ledger, real).retriever
                for question in story.questions:
                    answer = _answer(question, bank)
                    if answer is not None:
                        context = _context(
                            retriever, bank, question, budget=rng.choice(budgets), insert=insert, rng=rng
                        )
                        if question.sources and not _has_evidence(context, question, bank):
                            answer = UNKNOWN
                        prompt = render(bundle, Role.GENERATION, context=context, question=question.q)
                        rows.append(as_row(prompt, answer))
    return rows


def fill(ledger: Ledger, story: Story) -> StoryBank:
    """Put a story into a ledger: its turns, and its facts with their annotated operations."""
    bank = StoryBank(Scope(story.id))
    memory_of: dict[str, str] = {}
    deleted: set[str] = set()
    for given, said in story.turns():
        turn = ledger.append(bank.scope, [_as_message(given)], lambda new, before: [])[0][0]
        bank.turns[place_of(given)] = turn
        changes = []
        for item in said.facts:
            event, target = item.relation
            fact = read_fact(item.fact, turn)
            memory_of[item.id] = memory_of[target] if target else new_id()
            bank.facts[item.id], bank.turns[item.id] = fact, turn
            if memory_of[item.id] in deleted:
                continue  # a memory that is forgotten twice, by its new and its old text, is deleted once
            if event is Event.DELETE:
                deleted.add(memory_of[item.id])
            text = fact.text if event in {Event.ADD, Event.UPDATE} else ""
            changes.append(
                NewOperation(event, memory_of[item.id], text, fact.text, turn_id=turn.id, observed_at=turn.observed_at)
            )
        ledger.commit(bank.scope, changes)
    return bank


def _as_message(turn: Turn) -> Turn:
    return Turn("", turn.scope, turn.role, turn.text, turn.observed_at, "given", turn.speaker, "", message_id=turn.id)


def _answer(question: StoryQuestion, bank: StoryBank) -> str | None:
    """Return the gold answer; `None` if it is a date that can't be resolved."""
    if question.a is None:
        return UNKNOWN
    match = WHEN.fullmatch(question.a)
    if not match:
        return question.a
    fact = bank.facts[match[1]]
    spans = find_dates(fact.text, fact.observed_at)
    return spans[0].describe() if spans else None


def _context(
    retriever: Retriever, bank: StoryBank, question: StoryQuestion, *, budget: int, insert: float, rng: random.Random
) -> str:
    """Return what retrieval finds, in up to as many hits as fit the budget."""
    k = max(4, budget // 40) if rng.random() < 0.7 else 4
    hits = retriever.search(question.q, bank.scope, k=k, include=rng.choice(INCLUDES))
    context = build_context(hits, budget=budget)
    if question.sources and rng.random() < insert and not _has_evidence(context, question, bank):
        missing = [Hit(None, (bank.turns[key],), 0.0) for key in question.sources]
        context = build_context(missing + hits, budget=budget)
    return context


def _has_evidence(context: str, question: StoryQuestion, bank: StoryBank) -> bool:
    """Return whether some of the evidence is in the context."""
    return any(text in context for key in question.sources for text in bank.shown_as(key))
