"""A test suite for indexes, as tests to inherit or as one function that returns a report.

The checks go through `VectorStoreIndex`, so they test a LangChain `VectorStore` as the memory uses it. Each check has users
of its own. `check_store` finally removes what they wrote, so that a store in use can be checked too; the tests do not, so
use them with a temporary store.
"""

from __future__ import annotations

import contextlib
import random
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from langchain_core.vectorstores import VectorStore

from langchain_memlora.indexes import Entry, Index, Kind, VectorStoreIndex
from langchain_memlora.types import Scope

T = TypeVar("T")
MANY = 10_000
BATCH = 500
SAMPLE = 50
RECALL = 0.96
WRITERS = 8
MOMENT = datetime(2024, 5, 8, 12, tzinfo=UTC)
UNICODE = (
    "Zoë drinks 抹茶 at the café in Århus",
    "שלום, قهوة بدون سكر, Привет",
    "👩‍👩‍👧 moved to 🇩🇪 with a 🐕‍🦺",
    "e\u0301 is not é to a computer",
    'it\'s "quoted", 100% \\ escaped; DROP TABLE memories; --',
    "{'$ne': ''} ${x} {y} %s :name",
    "first line\nsecond line\ttab",
)
NAMES = ("ana@example.com", "O'Hara", '"; DROP TABLE users; --', "josé 抹茶 🐕", "$eq", "a.b/c:d e", "%", "*")


class Owners:
    """Writes entries of users that exist for one check only."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self.mark = uuid.uuid4().hex[:8]
        self.written: set[str] = set()

    def name(self, user: str) -> str:
        """Return a user's id that no other check has."""
        return f"{user} {self.mark}"

    def entry(self, user: str, key: str, text: str, kind: Kind = Kind.MEMORY) -> Entry:
        """Return an entry of a user; keys are unique in one check, across users."""
        return Entry(kind, f"{key}-{self.mark}", text, Scope(self.name(user)), MOMENT)

    def write(self, *entries: Entry) -> None:
        """Write entries and remember to remove them."""
        self.index.write(entries, [])
        self.written |= {entry.id for entry in entries}

    def nearest(self, user: str, query: str, k: int = 5, kind: Kind = Kind.MEMORY) -> list[str]:
        """Return the keys found for a user."""
        found = self.index.nearest(query, self.name(user), kind, k)
        return [item.removesuffix(f"-{self.mark}") for item in found]

    def remove(self) -> None:
        """Remove what was written."""
        for part in _parts(sorted(self.written)):
            self.index.write([], part)


class StoreConformance:
    """A base class for a pytest class with a fixture `index`: an `Index`, or a `VectorStoreIndex`.

    Any deterministic embedder works, for instance LangChain's `DeterministicFakeEmbedding`.

    Attributes:
        many: Number of entries that the largest check writes.

    Example:
        ```python
        import pytest
        from langchain_core.embeddings import DeterministicFakeEmbedding
        from langchain_core.vectorstores import InMemoryVectorStore
        from langchain_memlora.indexes import Index, VectorStoreIndex
        from langchain_memlora.testing.store_conformance import StoreConformance

        class TestMyStore(StoreConformance):
            @pytest.fixture(scope="class")
            def index(self) -> Index:
                return VectorStoreIndex(InMemoryVectorStore(DeterministicFakeEmbedding(size=32)))
        ```
    """

    many = MANY

    def _owners(self, index: Index) -> Owners:
        """Return users that exist for one check only."""
        return Owners(index)

    def test_the_same_words_are_nearest(self, index: Index) -> None:
        """The best hit is first, whatever the store's scores mean, and there are at most `k`."""
        texts = {"1": "Ana lives in Porto", "2": "Ben has a dog", "3": "Cleo plays the cello"}
        owners = self._owners(index)
        owners.write(*(owners.entry("ana", key, text) for key, text in texts.items()))
        for key, text in texts.items():
            assert owners.nearest("ana", text, 1) == [key], f"{text!r} does not find itself first"
        assert sorted(owners.nearest("ana", "Ana lives in Porto", 9)) == ["1", "2", "3"]
        assert len(owners.nearest("ana", "Ana lives in Porto", 2)) == 2

    def test_users_are_apart(self, index: Index) -> None:
        """A user does not find another user's entries, and a user without entries finds none."""
        owners = self._owners(index)
        owners.write(owners.entry("ana", "1", "green tea"), owners.entry("ben", "2", "green tea"))
        assert owners.nearest("ana", "green tea") == ["1"]
        assert owners.nearest("ben", "green tea") == ["2"]
        assert owners.nearest("cleo", "green tea") == []

    def test_kinds_are_apart(self, index: Index) -> None:
        """A memory, a turn and a window with one item id are three entries."""
        owners = self._owners(index)
        owners.write(*(owners.entry("ana", "1", f"a {kind}", kind) for kind in Kind))
        for kind in Kind:
            assert owners.nearest("ana", "a memory", 5, kind) == ["1"]

    def test_one_is_found_among_many_of_others(self, index: Index) -> None:
        """A filter works inside the search: an entry ranked behind many of other users is found."""
        owners = self._owners(index)
        owners.write(*(owners.entry("ben", f"b{i}", f"green tea {i}") for i in range(200)))
        owners.write(owners.entry("ana", "1", "a ride through the mountains"))
        assert owners.nearest("ana", "green tea") == ["1"], "hidden behind 200 entries of another user"

    def test_writing_again_replaces(self, index: Index) -> None:
        """An id exists once, with the text and the owner written last."""
        owners = self._owners(index)
        owners.write(owners.entry("ana", "1", "lives in Porto"), owners.entry("ana", "2", "has a dog"))
        for _ in range(2):
            owners.write(owners.entry("ana", "1", "lives in Berlin"))
        assert owners.nearest("ana", "lives in Berlin", 9) == ["1", "2"], "the new text is not found once and first"
        assert owners.nearest("ana", "lives in Porto", 9).count("1") == 1, "the old text is still there"
        owners.write(owners.entry("ben", "1", "lives in Berlin"))
        assert owners.nearest("ana", "lives in Berlin") == ["2"], "the old owner still has it"

    def test_equal_texts_are_entries_of_their_own(self, index: Index) -> None:
        """An entry is identified by its id, not by its text."""
        owners = self._owners(index)
        owners.write(*(owners.entry("ana", str(i), "green tea") for i in range(3)))
        assert sorted(owners.nearest("ana", "green tea")) == ["0", "1", "2"]

    def test_what_is_removed_is_gone(self, index: Index) -> None:
        """Entries are removed by id; unknown ids and repeated removals are ignored."""
        owners = self._owners(index)
        first, second = owners.entry("ana", "1", "green tea"), owners.entry("ana", "2", "black tea")
        owners.write(first, second)
        index.write([], [first.id, owners.entry("ana", "never", "").id])
        index.write([], [first.id])
        index.write([], [])
        assert owners.nearest("ana", "green tea") == ["2"]
        owners.write(first)
        assert owners.nearest("ana", "green tea") == ["1", "2"]

    def test_ids_can_be_asked_for(self, index: Index) -> None:
        """`held` counts the ids that exist; an index without that query raises NotImplementedError."""
        owners = self._owners(index)
        entries = [owners.entry("ana", str(i), f"tea number {i}") for i in range(3)]
        owners.write(*entries)
        ids = [entry.id for entry in (*entries, owners.entry("ana", "never", ""))]
        try:
            assert index.held(ids) == 3
            index.write([], ids[:1])
            assert (index.held(ids), index.held([])) == (2, 0)
        except NotImplementedError:
            return

    def test_unicode(self, index: Index) -> None:
        """Any text and any name work; query syntax is plain text."""
        owners = self._owners(index)
        owners.write(*(owners.entry("ana", str(i), text) for i, text in enumerate(UNICODE)))
        for i, text in enumerate(UNICODE):
            assert owners.nearest("ana", text, 1) == [str(i)], f"{text!r} does not find itself"
        owners.write(*(owners.entry(name, f"of {i}", "green tea") for i, name in enumerate(NAMES)))
        for i, name in enumerate(NAMES):
            assert owners.nearest(name, "green tea") == [f"of {i}"], f"user {name!r}"

    def test_odd_texts(self, index: Index) -> None:
        """A NUL, and a very long text."""
        owners = self._owners(index)
        owners.write(owners.entry("ana", "nul", "before\0after"), owners.entry("ana", "long", "tea and milk " * 2000))
        assert sorted(owners.nearest("ana", "tea")) == ["long", "nul"]

    def test_many(self, index: Index) -> None:
        """Among many entries, the same words are still found, and only the user's own."""
        owners = self._owners(index)
        users = ("ana", "ben", "cleo", "dan")
        everything = [(users[i % 4], str(i), f"note {i} about {i * 7919 % 10007}") for i in range(self.many)]
        for part in _parts(everything):
            owners.write(*(owners.entry(*row) for row in part))
        sample = random.Random(0).sample(everything, min(SAMPLE, self.many))
        found = {key: owners.nearest(user, text) for user, key, text in sample}
        foreign = [key for user, key, _ in sample for hit in found[key] if users[int(hit) % 4] != user]
        assert not foreign, f"{len(foreign)} hits are another user's"
        first = sum(hits[:1] == [key] for key, hits in found.items())
        assert first >= RECALL * len(sample), f"{first} of {len(sample)} texts found themselves first"

    def test_concurrent_writers(self, index: Index) -> None:
        """Concurrent writers with ids of their own and one shared id, and readers: every entry exists once."""
        owners = self._owners(index)
        keys = [[f"{w}.{i}" for i in range(10)] for w in range(WRITERS)]

        def work(mine: Sequence[str]) -> None:
            for key in mine:
                entries = [owners.entry("ana", key, f"note {key}"), owners.entry("ana", "all", "written by all")]
                owners.write(*entries)
                owners.nearest("ana", f"note {key}", 3)

        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(work, keys))
        found = owners.nearest("ana", "written by all", 20 * WRITERS)
        assert sorted(found) == sorted([*(key for mine in keys for key in mine), "all"])


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check.

    Attributes:
        problem: The error; empty if the check passed.
    """

    check: str
    problem: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """The result of `check_store`; `str` returns it as plain lines."""

    store: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """True if all checks passed."""
        return not any(finding.problem for finding in self.findings)

    def __str__(self) -> str:
        lines = [
            f"{'failed' if f.problem else 'passed'} {f.check} ({f.seconds:.1f} s){f': {f.problem}' if f.problem else ''}"
            for f in self.findings
        ]
        failed = sum(bool(f.problem) for f in self.findings)
        return "\n".join([f"{self.store}: {len(lines) - failed} of {len(lines)} checks passed", *lines])


def check_store(store: VectorStore | Index, *, many: int = MANY) -> Report:
    """Run all checks on one store and report; entries they write are removed again.

    Args:
        store: A store, or an index on it (with a `make_filter`, for instance).
        many: Number of entries that the largest check writes.

    Example:
        ```python
        from langchain_core.embeddings import DeterministicFakeEmbedding
        from langchain_core.vectorstores import InMemoryVectorStore
        from langchain_memlora.testing.store_conformance import check_store

        print(check_store(InMemoryVectorStore(DeterministicFakeEmbedding(size=32)), many=500))
        ```
    """
    index = store if isinstance(store, Index) else VectorStoreIndex(store)
    suite = _Recording()
    suite.many = many
    checks = [name for name in vars(StoreConformance) if name.startswith("test_")]
    label = type(index.store if isinstance(index, VectorStoreIndex) else index).__name__
    try:
        return Report(label, tuple(_find(suite, name, index) for name in checks))
    finally:
        suite.remove()


class _Recording(StoreConformance):
    """A suite that records what its checks wrote."""

    def __init__(self) -> None:
        self._made: list[Owners] = []

    def _owners(self, index: Index) -> Owners:
        self._made.append(Owners(index))
        return self._made[-1]

    def remove(self) -> None:
        for owners in self._made:
            with contextlib.suppress(Exception):  # an unreachable store has been reported
                owners.remove()


def _find(suite: StoreConformance, name: str, index: Index) -> Finding:
    start, problem = time.perf_counter(), ""
    check = getattr(suite, name)
    try:
        check(index)
    except Exception as error:  # a store may fail in any way, and the report must go on
        kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
        words = str(error).strip().splitlines() or [f"failed: {check.__doc__}"]
        problem = f"{kind}{words[0]}"[:300]
    return Finding(name.removeprefix("test_").replace("_", " "), problem, time.perf_counter() - start)


def _parts(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    return (rows[i : i + BATCH] for i in range(0, len(rows), BATCH))
