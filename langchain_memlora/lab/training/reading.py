"""Rows for the generation expert: questions with the context that retrieval finds in a bank of annotated facts.

The reader is trained on realistic contexts: true hits among near ones, superseded turns, missing evidence. Where none of the
evidence was found, the right answer is `unknown`; or, at a chosen rate, the evidence is added to the hits.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from langchain_core.embeddings import Embeddings

from langchain_memlora.bundles import Bundle, Role
from langchain_memlora.experts import UNKNOWN
from langchain_memlora.experts.dialects import Spans
from langchain_memlora.experts.dialects.lines import read_fact
from langchain_memlora.experts.prompts import render
from langchain_memlora.lab.temporary_index import temporary_index
from langchain_memlora.lab.training.fact_texts import QUOTED, quotations
from langchain_memlora.lab.training.rows import TextRow, as_row
from langchain_memlora.lab.training.stories import WHEN, Story, StoryFact, StoryQuestion, place_of
from langchain_memlora.ledger import Ledger, NewOperation, new_id
from langchain_memlora.memory.second_stage import DEFAULT, make_reranker
from langchain_memlora.models import default_embeddings
from langchain_memlora.retrieval import Include, Retriever, build_context, find_dates
from langchain_memlora.types import Event, Fact, Hit, Scope, Span, Turn

INCLUDES: tuple[Include, ...] = ("both", "both", "both", "both", "memories", "turns")


@dataclass
class StoryBank:
    """A story's facts and turns in a ledger, as a memory with perfect experts would hold them.

    Attributes:
        turns: By the key of each fact they state, and by their own place.
        quoted: The part of the turn that a memory quotes for a fact, by its key.
    """

    scope: Scope
    facts: dict[str, Fact] = field(default_factory=dict)
    turns: dict[str, Turn] = field(default_factory=dict)
    quoted: dict[str, Span] = field(default_factory=dict)

    def shown_as(self, key: str) -> list[str]:
        """Return the texts by which a fact or turn appears in a context."""
        words = self.turns[key].text
        part = self.quoted.get(key, Span(0, len(words)))
        said = [" ".join(text.split())[:300] for text in (words, words[part.start : part.end])]
        return [self.facts[key].text, *said] if key in self.facts else said


def generation_rows(
    bundle: Bundle,
    stories: Iterable[Story],
    *,
    embeddings: Embeddings | None = None,
    budgets: Sequence[int] = (150, 250, 400),
    insert: float = 0.0,
    quoted: float = QUOTED,
    seed: int = 0,
) -> list[TextRow]:
    """Return a row for each question of each story, with contexts of random sizes and kinds.

    Args:
        embeddings: Used in place of the package's own, and then without the second stage of searches.
        budgets: Sizes of context in tokens, drawn for each question.
        quoted: Share of the stories whose memories are quotations, for a bundle of the `spans` dialect; others have none.
        insert: Share of the questions without found evidence whose evidence is added to the hits, to keep their answer.
    """
    rng = random.Random(seed)
    real = embeddings or default_embeddings()
    share = quoted if bundle.card.dialect == Spans.name else 0.0
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number, story in enumerate(stories):
            with Ledger(Path(folder) / f"{number}.sqlite3") as ledger:
                bank = fill(ledger, story, quoted=rng.random() < share)
                second = None if embeddings else make_reranker(DEFAULT, ledger)
                retriever = temporary_index(ledger, real, second).retriever
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


def fill(ledger: Ledger, story: Story, *, quoted: bool = False) -> StoryBank:
    """Put a story into a ledger: its turns, and its facts with their annotated operations.

    Args:
        quoted: Store quotations, each with all facts that its words state, rather than sentences.
    """
    bank = StoryBank(Scope(story.id))
    memory_of: dict[str, str] = {}
    facts_in: dict[str, int] = {}  # the number of facts that the current text of each memory states
    for given, said in story.turns():
        turn = ledger.append(bank.scope, [_as_message(given)], lambda new, before: [])[0][0]
        bank.turns[place_of(given)] = turn
        found = quotations(turn, said.facts) if quoted else {}
        groups: dict[Span | str, list[StoryFact]] = {}
        for item in said.facts:
            bank.facts[item.id], bank.turns[item.id] = read_fact(item.fact, turn), turn
            groups.setdefault(found[item.id].said if item.id in found else item.id, []).append(item)
        changes = []
        for items in groups.values():
            event, memory_id = _operation(items, memory_of, facts_in)
            memory_of.update({item.id: memory_id for item in items})
            if event is Event.DELETE and not facts_in.pop(memory_id, 0):
                continue  # a memory that is forgotten twice, by its new and its old text, is deleted once
            fact = bank.facts[items[0].id].text
            change = NewOperation(event, memory_id, "", fact, turn_id=turn.id, observed_at=turn.observed_at)
            if event in {Event.ADD, Event.UPDATE}:
                facts_in[memory_id] = len(items)
                change = replace(change, text=fact, form="written")
            if change.text and items[0].id in found:
                text, span, _ = found[items[0].id]
                bank.quoted.update({item.id: span for item in items})
                change = replace(change, text=text, form="said", said=span)
            changes.append(change)
        ledger.commit(bank.scope, changes)
    return bank


def _operation(
    items: Sequence[StoryFact], memory_of: Mapping[str, str], facts_in: Mapping[str, int]
) -> tuple[Event, str]:
    """Return the operation for facts that are stored together, and the id of its memory.

    A memory that states something else as well is deleted, but not replaced: what else it states still holds.
    """
    targets: dict[Event, list[str]] = {}
    for event, target in (item.relation for item in items):
        targets.setdefault(event, []).append(memory_of.get(target or "", ""))
    if Event.DELETE in targets:
        return Event.DELETE, targets[Event.DELETE][0]
    replaced = [memory_id for memory_id in targets.get(Event.UPDATE, ()) if facts_in.get(memory_id) == 1]
    if replaced:
        return Event.UPDATE, replaced[0]
    repeated = [memory_id for memory_id in targets.get(Event.NONE, ()) if memory_id in facts_in]
    return (Event.NONE, repeated[0]) if len(repeated) == len(items) else (Event.ADD, new_id())


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
