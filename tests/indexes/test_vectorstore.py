"""Tests of LangChain vector stores as an index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.vectorstores import InMemoryVectorStore
from support import ANA, BEN, MAY_8, BagOfWords

from langchain_memlora.errors import LedgerError, StoreInUseError
from langchain_memlora.indexes import Entry, Index, Kind, VectorStoreIndex, chroma_search
from langchain_memlora.indexes.chroma import ChromaIndex
from langchain_memlora.types import Scope


class OtherStore(InMemoryVectorStore):
    """A store with a filter syntax unknown to the index."""


@pytest.fixture(params=["memory", "other", "chroma"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Index]:
    if request.param == "chroma":
        made: Index = ChromaIndex(tmp_path / "chroma", BagOfWords())
    else:
        kind = InMemoryVectorStore if request.param == "memory" else OtherStore
        made = VectorStoreIndex(kind(BagOfWords()))
    yield made
    made.close()


def entry(key: str, text: str, scope: Scope = ANA, kind: Kind = Kind.MEMORY) -> Entry:
    return Entry(kind, key, text, scope, MAY_8)


def test_nearest_returns_at_most_k(index: Index) -> None:
    index.write([entry("1", "green grass grows"), entry("2", "green tea"), entry("3", "a dog")], [])
    assert index.nearest("green tea", "ana", Kind.MEMORY, 2) == ["2", "1"]


def test_users_and_kinds_are_separate(index: Index) -> None:
    index.write([entry("1", "green tea"), entry("2", "green tea", BEN)], [])
    index.write([entry("3", "green tea", kind=Kind.TURN), entry("3", "green tea", kind=Kind.WINDOW)], [])
    assert index.nearest("green tea", "ana", Kind.MEMORY, 5) == ["1"]
    assert index.nearest("green tea", "ana", Kind.TURN, 5) == ["3"]
    assert index.nearest("green tea", "ben", Kind.MEMORY, 5) == ["2"]
    assert index.nearest("green tea", "cleo", Kind.MEMORY, 5) == []


@pytest.mark.parametrize("embedded", [True, False])
def test_chroma_filters_only_when_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embedded: bool) -> None:
    monkeypatch.setattr(chroma_search, "FEW", 10)
    owner = ChromaIndex(tmp_path, BagOfWords())
    index = owner if embedded else VectorStoreIndex(owner.store)
    filtered: list[bool] = []
    search = owner.store.similarity_search

    def watched(query: str, k: int, **options: Any) -> Any:
        filtered.append("filter" in options)
        return search(query, k=k, **options)

    monkeypatch.setattr(owner.store, "similarity_search", watched)
    mine = [entry(str(number), f"tea {number}") for number in range(12)]
    index.write(mine, [])
    assert len(index.nearest("tea", "ana", Kind.MEMORY, 3)) == 3
    assert not any(filtered)
    nearer = [entry(f"b{n}", f"tea tea tea tea b{n}", BEN) for n in range(40)]  # no two alike: Chroma minds
    index.write(nearer, [])
    assert len(index.nearest("tea", "ana", Kind.MEMORY, 3)) == 3
    assert filtered[-1]
    owner.close()


def test_nearest_each_matches_single_queries(index: Index) -> None:
    for kind in Kind:
        index.write([entry(f"{kind}{number}", f"tea {number}", kind=kind) for number in range(20)], [])
        index.write([entry(f"ben {kind}{number}", "tea", BEN, kind) for number in range(5)], [])
    alone = [index.nearest("tea 7", "ana", kind, 8) for kind in Kind]
    assert index.nearest_each("tea 7", "ana", list(Kind), 8) == alone
    assert [found[0] for found in alone] == [f"{kind}7" for kind in Kind]


def test_write_replaces_by_id(index: Index) -> None:
    index.write([entry("1", "lives in Porto"), entry("2", "has a dog")], [])
    index.write([entry("1", "has a cat and a dog")], [])
    assert index.nearest("lives in Porto", "ana", Kind.MEMORY, 5).count("1") == 1
    assert index.nearest("cat", "ana", Kind.MEMORY, 1) == ["1"]


def test_remove_ignores_unknown_ids(index: Index) -> None:
    index.write([entry("1", "green tea")], [])
    index.write([], ["memory-nobody"])
    index.write([], ["memory-1", "memory-nobody"])
    index.write([], ["memory-1"])
    index.write([], [])
    assert index.nearest("green tea", "ana", Kind.MEMORY, 5) == []


@pytest.mark.parametrize("broken", [lambda wanted: {}, lambda wanted: {"filter": lambda document: True}])
def test_broken_filter_does_not_leak(broken: Any) -> None:
    index = VectorStoreIndex(InMemoryVectorStore(BagOfWords()), make_filter=broken)
    index.write([entry("1", "dog"), entry("2", "green tea", BEN), entry("3", "green tea", kind=Kind.TURN)], [])
    index.store.add_texts(["green tea"])  # somebody's document without our metadata
    assert index.nearest("green tea", "ana", Kind.MEMORY, 5) == ["1"]
    assert index.nearest("green tea", "cleo", Kind.MEMORY, 5) == []


def test_chroma_folder_has_one_owner(tmp_path: Path) -> None:
    first = ChromaIndex(tmp_path, BagOfWords())
    with pytest.raises(StoreInUseError, match=r"Close that one first"):
        ChromaIndex(tmp_path, BagOfWords())
    first.write([entry("1", "green tea")], [])
    first.close()
    again = ChromaIndex(tmp_path, BagOfWords())
    assert again.nearest("green tea", "ana", Kind.MEMORY, 5) == ["1"]
    again.close()


def test_file_in_place_of_chroma_raises(tmp_path: Path) -> None:
    (tmp_path / "chroma").write_text("I am a file")
    with pytest.raises(LedgerError, match=r"choose another `path`"):
        ChromaIndex(tmp_path / "chroma", BagOfWords())
