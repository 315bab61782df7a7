"""Tests of evidence recall on LoCoMo's validation conversation C1."""

from __future__ import annotations

from pathlib import Path

import pytest
from langchain_core.vectorstores import InMemoryVectorStore
from support.locomo import Conversation, conversation, needs_locomo

from langchain_memlora.indexes import VectorStoreIndex
from langchain_memlora.indexes.embeddings import CachedEmbeddings
from langchain_memlora.indexes.sync import SyncedIndex
from langchain_memlora.ledger import Ledger, NewOperation, new_id
from langchain_memlora.models import DEFAULT_EMBEDDER, default_embeddings
from langchain_memlora.retrieval import Retriever
from langchain_memlora.types import Event

pytestmark = [needs_locomo, pytest.mark.slow]


def recalls(talk: Conversation, folder: Path, *, facts: bool) -> dict[int, float]:
    """Share of questions with an evidence turn in the first 5, 10 and 20 hits."""
    scope = talk.turns[0].scope
    with Ledger(folder / f"{talk.id}-{facts}.sqlite3") as ledger:
        stored = ledger.append(scope, talk.turns, lambda new, before: [])[0]
        ids = {turn.message_id: turn.id for turn in stored}
        if facts:
            told = [(text, dia) for text, dia in talk.facts if dia in ids]
            ledger.commit(scope, [NewOperation(Event.ADD, new_id(), text, turn_id=ids[dia]) for text, dia in told])
        embeddings = CachedEmbeddings(default_embeddings, DEFAULT_EMBEDDER, ledger, symmetric=True)
        synced = SyncedIndex(VectorStoreIndex(InMemoryVectorStore(embeddings)), ledger, DEFAULT_EMBEDDER)
        retriever = Retriever(ledger, lambda: synced)
        ranks = []
        for question, evidence in talk.questions:
            hits = retriever.search(question, scope, k=20)
            found = [n for n, hit in enumerate(hits) if any(t.message_id in evidence for t in hit.turns)]
            ranks.append(found[0] if found else 99)
    return {k: sum(rank < k for rank in ranks) / len(ranks) for k in (5, 10, 20)}


def test_fused_turns_find_evidence(tmp_path: Path) -> None:
    found = recalls(conversation(1), tmp_path, facts=False)
    print(found)
    assert found[10] >= 0.72
    assert found[20] >= 0.84


def test_facts_as_keys_improve_recall(tmp_path: Path) -> None:
    found = recalls(conversation(1), tmp_path, facts=True)
    print(found)
    assert found[5] >= 0.70
