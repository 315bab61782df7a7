"""Tests that the index follows the ledger and can be rebuilt from it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from langchain_core.vectorstores import InMemoryVectorStore
from support import ANA, BagOfWords, add, change, say

from langchain_memlora.errors import IndexMismatchError
from langchain_memlora.indexes import Entry, Kind, VectorStoreIndex
from langchain_memlora.indexes.embeddings import CachedEmbeddings
from langchain_memlora.indexes.sync import SyncedIndex
from langchain_memlora.ledger import Ledger
from langchain_memlora.types import Event


class Flaky(VectorStoreIndex):
    """Fails after writing, like a crash between index and ledger."""

    crashes = 0

    def write(self, entries: Sequence[Entry], removed: Sequence[str]) -> None:
        super().write(entries, removed)
        if self.crashes:
            self.crashes -= 1
            raise OSError("crashed")


@pytest.fixture
def index() -> Flaky:
    return Flaky(InMemoryVectorStore(BagOfWords()))


def test_catch_up_is_idempotent(ledger: Ledger, index: Flaky) -> None:
    synced = SyncedIndex(index, ledger, "bag")
    key = add(ledger, "green tea", told_by=say(ledger, "I like green tea"))
    assert synced.catch_up() == 2
    assert synced.catch_up() == 0
    assert synced.nearest_each("green tea", "ana", [Kind.MEMORY], 5)[0] == [key]
    assert len(index.store.store) == 3  # the memory, the turn, the turn's window


def test_catch_up_writes_current_state(ledger: Ledger, index: Flaky) -> None:
    synced = SyncedIndex(index, ledger, "bag")
    kept, gone = add(ledger, "Porto"), add(ledger, "Lisbon")
    change(ledger, Event.UPDATE, kept, "Berlin")
    change(ledger, Event.DELETE, gone)
    synced.catch_up()
    assert [d["text"] for d in index.store.store.values()] == ["Berlin"]
    ledger.restore(ANA, gone)
    assert set(synced.nearest_each("Lisbon", "ana", [Kind.MEMORY], 5)[0]) == {kept, gone}


def test_window_includes_previous_turn(ledger: Ledger, index: Flaky) -> None:
    say(ledger, "Where do you live?", speaker="Bot", role="assistant")
    say(ledger, "elsewhere", thread_id="other")
    say(ledger, "In Porto.", speaker="Ana")
    SyncedIndex(index, ledger, "bag").catch_up()
    windows = {d["text"] for d in index.store.store.values() if d["metadata"]["kind"] == "window"}
    assert windows == {"Bot: Where do you live?", "elsewhere", "Bot: Where do you live?\nAna: In Porto."}


def test_emptied_index_is_rebuilt(ledger: Ledger, index: Flaky) -> None:
    synced = SyncedIndex(index, ledger, "bag")
    key = add(ledger, "green tea")
    synced.catch_up()
    index.store.store.clear()
    assert synced.nearest_each("green tea", "ana", [Kind.MEMORY], 5)[0] == []
    assert synced.rebuild() == 1
    assert synced.nearest_each("green tea", "ana", [Kind.MEMORY], 5)[0] == [key]


def test_index_recovers_after_crash(ledger: Ledger, index: Flaky) -> None:
    synced = SyncedIndex(index, ledger, "bag")
    first = add(ledger, "green tea")
    index.crashes = 1
    with pytest.raises(OSError, match="crashed"):
        synced.catch_up()
    second = add(ledger, "black tea")
    again = SyncedIndex(index, ledger, "bag")
    assert again.nearest_each("green tea", "ana", [Kind.MEMORY], 5)[0] == [first, second]
    assert len(index.store.store) == 2


def test_different_embedder_is_refused(ledger: Ledger, index: Flaky) -> None:
    SyncedIndex(index, ledger, "bag")
    with pytest.raises(IndexMismatchError, match=r"1/bag.*1/other.*Pass the original embedder"):
        SyncedIndex(index, ledger, "other")
    SyncedIndex(index, ledger, "other", name="second")


def test_embeddings_are_cached(ledger: Ledger) -> None:
    real = BagOfWords()
    cached = CachedEmbeddings(lambda: real, "bag", ledger, symmetric=True)
    first = cached.embed_documents(["tea", "milk", "tea"])
    assert first[0] == first[2] != first[1]
    cached.embed_documents(["milk", "water"])
    cached.embed_query("tea")
    cached.embed_query("where?")
    cached.embed_query("where?")
    assert real.embedded == ["tea", "milk", "water", "where?"]


def test_queries_of_asymmetric_embedder_are_not_documents(ledger: Ledger) -> None:
    class Prefixed(BagOfWords):
        def embed_query(self, text: str) -> list[float]:
            return super().embed_query(f"query: {text}")

    cached = CachedEmbeddings(Prefixed, "prefixed", ledger)
    (document,) = cached.embed_documents(["tea"])
    assert cached.embed_query("tea") == Prefixed().embed_query("tea") != pytest.approx(document, abs=1e-6)


def test_cached_vectors_skip_loading_embedder(ledger: Ledger) -> None:
    CachedEmbeddings(BagOfWords, "bag", ledger).embed_documents(["tea"])

    def never() -> BagOfWords:
        raise AssertionError

    again = CachedEmbeddings(never, "bag", ledger)
    assert again.embed_documents(["tea"])[0] == pytest.approx(BagOfWords().embed_query("tea"), abs=1e-6)
    with pytest.raises(AssertionError):
        CachedEmbeddings(never, "other", ledger).embed_documents(["tea"])


def test_slow_writer_keeps_newer_state(ledger: Ledger) -> None:
    """Two processes on one store: while the first writes what it has read, the second applies something newer."""
    store = InMemoryVectorStore(BagOfWords())
    key = add(ledger, "Porto")

    class Slow(VectorStoreIndex):
        overtaken = False

        def write(self, entries: Sequence[Entry], removed: Sequence[str]) -> None:
            if not self.overtaken:
                self.overtaken = True
                change(ledger, Event.UPDATE, key, "Berlin")
                SyncedIndex(VectorStoreIndex(store), ledger, "bag").catch_up()
            super().write(entries, removed)

    SyncedIndex(Slow(store), ledger, "bag").catch_up()
    assert [entry["text"] for entry in store.store.values()] == ["Berlin"]


def test_erasure_removes_index_entries(ledger: Ledger, index: Flaky) -> None:
    synced = SyncedIndex(index, ledger, "bag")
    add(ledger, "green tea", told_by=say(ledger, "I like green tea"))
    synced.catch_up()
    ledger.erase("ana")
    synced.finish_erasure()
    assert index.store.store == {}
    assert not ledger.erasure_is_unfinished()
