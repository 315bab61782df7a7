"""Conversations as memories to search: their turns, and the annotated facts if asked for. No language model runs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from langchain_core.embeddings import Embeddings

from langchain_memlora.indexes.chroma import ChromaIndex
from langchain_memlora.indexes.embeddings import CachedEmbeddings
from langchain_memlora.indexes.sync import SyncedIndex
from langchain_memlora.lab.evaluation.conversations import AnnotatedQuestion, Conversation
from langchain_memlora.ledger import Ledger, NewOperation, new_id
from langchain_memlora.models.pins import LATE_INTERACTION
from langchain_memlora.models.reranker import token_encoder
from langchain_memlora.retrieval import LateInteraction
from langchain_memlora.types import Event, Hit, Scope

EMBEDDER = "measured"


@dataclass(frozen=True, slots=True)
class Filled:
    """A memory of one conversation, and what the stages of a search need of it."""

    conversation: Conversation
    scope: Scope
    ledger: Ledger
    index: SyncedIndex
    late: LateInteraction

    @property
    def answerable(self) -> list[AnnotatedQuestion]:
        """The questions with annotated evidence."""
        return [question for question in self.conversation.questions if question.evidence]

    def messages(self, hit: Hit) -> list[str]:
        """Return the message ids of the turns that a hit shows or was stated by."""
        keys = [turn.id for turn in hit.turns] + list(hit.memory.turn_ids if hit.memory else ())
        return [turn.message_id for turn in self.ledger.turns(list(dict.fromkeys(keys))).values()]


@contextmanager
def filled(conversation: Conversation, embeddings: Embeddings, *, facts: bool) -> Iterator[Filled]:
    """Fill a memory with a conversation: its turns, and with `facts` also what is annotated, as memories."""
    scope = Scope(conversation.id)
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "ledger", durability="normal") as ledger:
        for session in conversation.sessions:
            ledger.append(scope, [replace(turn, scope=scope) for turn in session], lambda new, before: [])
        if facts:
            by_message = {turn.message_id: turn for turn in ledger.all_turns(scope)}
            stated = [
                (fact, by_message[fact.message_id]) for fact in conversation.facts if fact.message_id in by_message
            ]
            changes = [
                NewOperation(Event.ADD, new_id(), fact.text, turn_id=turn.id, observed_at=turn.observed_at)
                for fact, turn in stated
            ]
            ledger.commit(scope, changes)
        cached = CachedEmbeddings(lambda: embeddings, EMBEDDER, ledger)
        late = LateInteraction(ledger, token_encoder, LATE_INTERACTION)
        index = SyncedIndex(ChromaIndex(Path(folder) / "chroma", cached), ledger, EMBEDDER, prepare=late.prepare)
        index.catch_up()
        yield Filled(conversation, scope, ledger, index, late)
        index.index.close()
