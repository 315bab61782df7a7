"""Tests that forgetting erases every byte of one user, also after a crash."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from langchain_core.vectorstores import InMemoryVectorStore
from support import MAY_8, BagOfWords, texts
from support.files import files_with

from langchain_memlora import MemLoRAMemory
from langchain_memlora.errors import LedgerError, MissingUserError
from langchain_memlora.experts.windows import words_of
from langchain_memlora.ledger.details import detail_of
from langchain_memlora.passages import passages

Make = Callable[..., MemLoRAMemory]
both = pytest.mark.parametrize("backend", ["memory", "chroma"])
chroma = pytest.mark.parametrize("backend", ["chroma"])
SECRET = b"zebrafish"


def tell_all(memory: MemLoRAMemory) -> None:
    """Put the secret everywhere it can go."""
    options = {"user_id": "ana", "agent_id": "coach", "run_id": "zebrafish-run", "thread_id": "zebrafish-thread"}
    result = memory.add(
        ["I own a zebrafish", "hm"],
        observed_at=MAY_8,
        metadata={"zebrafish": 1},
        **options,  # type: ignore[arg-type]
    )
    key = str(result.operations[0].memory_id)
    memory.update(key, "User keep a zebrafish", user_id="ana")
    memory.delete(key, user_id="ana")
    memory.add("I feed my zebrafish", user_id="ana", infer=False)
    memory.search("zebrafish", user_id="ana")
    memory.add("I own a cat", user_id="ben", observed_at=MAY_8)


@both
def test_forget_erases_bytes_of_one_user(memory: MemLoRAMemory, backend: str) -> None:
    tell_all(memory)
    assert files_with(SECRET, memory.path)
    receipt = memory.forget(user_id="ana")
    assert (receipt.user_id, receipt.turns, receipt.memories, receipt.operations) == ("ana", 3, 2, 4)
    assert receipt.jobs == 1
    assert receipt.vectors >= (5 if backend == "chroma" else 0)  # other stores embed by themselves
    assert files_with(SECRET, memory.path) == []
    assert memory.get_all(user_id="ana", deleted=True) == memory.history(user_id="ana") == []
    assert memory.search("zebrafish", user_id="ana") == []
    assert texts(memory.get_all(user_id="ben")) == ["User own a cat"]
    assert memory.search("cat", user_id="ben")[0].memory
    again = memory.add("I own a dog", user_id="ana", observed_at=MAY_8)
    assert [op.after for op in again.operations] == ["User own a dog"]
    assert memory.search("dog", user_id="ana")[0].text == "User own a dog"


@pytest.mark.parametrize("backend", ["memory"])
def test_forget_empties_caches_of_texts(memory: MemLoRAMemory) -> None:
    tell_all(memory)
    cached = (passages, words_of, detail_of)
    assert any(one.cache_info().currsize for one in cached)
    memory.forget(user_id="ana")
    assert [one.cache_info().currsize for one in cached] == [0, 0, 0]


@pytest.mark.parametrize("backend", ["memory"])
def test_forget_clears_vector_store(make_memory: Make) -> None:
    store = InMemoryVectorStore(BagOfWords())
    memory = make_memory(index=store)
    tell_all(memory)
    memory.forget(user_id="ana")
    assert {entry["metadata"]["user_id"] for entry in store.store.values()} == {"ben"}


def test_forget_matches_exact_user_only(memory: MemLoRAMemory) -> None:
    tell_all(memory)
    for nobody in ("", "*", None):
        with pytest.raises(MissingUserError):
            memory.forget(user_id=nobody)  # type: ignore[arg-type]
    assert memory.forget(user_id="an%").turns == memory.forget(user_id="' OR 1=1 --").turns == 0
    assert len(memory.history(user_id="ana")) == 4


@chroma
@pytest.mark.parametrize("step", ["clear", "finish_erasure"])
def test_interrupted_forget_finishes_on_open(make_memory: Make, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    memory = make_memory()
    tell_all(memory)
    owner = type(memory.services.index().index if step == "clear" else memory.ledger)

    def crash(self: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(owner, step, crash)
        with pytest.raises(KeyboardInterrupt):
            memory.forget(user_id="ana")
    memory.close()
    again = make_memory()
    assert again.ledger.erasure_is_unfinished()
    if step == "clear":
        assert files_with(SECRET, memory.path)
    assert again.search("zebrafish", user_id="ana") == []
    assert files_with(SECRET, again.path) == []
    assert not again.ledger.erasure_is_unfinished()
    assert again.search("cat", user_id="ben")[0].memory


def test_forget_discards_jobs_in_progress(make_memory: Make) -> None:
    def forgotten_meanwhile(prompt: str) -> str:
        memory.ledger.erase("ana")
        return "1 own a zebrafish"

    memory = make_memory(extraction=forgotten_meanwhile)
    assert memory.add("I own a zebrafish", user_id="ana").operations == ()
    assert memory.get_all(user_id="ana", deleted=True) == []
    assert memory.ledger.jobs("pending", "failed", "done") == []


def test_forget_fails_while_others_read(make_memory: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("langchain_memlora.ledger.sqlite.BUSY_SECONDS", 2)
    memory = make_memory()
    tell_all(memory)
    with memory.ledger.database.reading() as connection:
        connection.exec_driver_sql("SELECT * FROM turns").fetchall()
        with pytest.raises(LedgerError, match="connections are reading"):
            memory.forget(user_id="ana")
    memory.forget(user_id="ana")
    assert files_with(SECRET, memory.path) == []


@both
def test_reset_erases_all_bytes(memory: MemLoRAMemory) -> None:
    tell_all(memory)
    assert asyncio.run(memory.areset()).turns == 4
    assert files_with(SECRET, memory.path) == files_with(b"own a cat", memory.path) == []
    assert set(memory.ledger.counts().values()) == {0}


@chroma
def test_new_index_holds_no_stale_memory(memory: MemLoRAMemory) -> None:
    memory.add("I own a cat", user_id="ben")
    (vectors,) = memory.path.rglob("data_level0.bin")
    assert set(vectors.read_bytes()) == {0}  # no vector is in it before Chroma's first sync
    memory.add([f"I own cat {number}" for number in range(350)], user_id="ben", infer=False)
    assert set(vectors.read_bytes()) != {0}
    assert memory.search("cat 77", user_id="ben", k=1)[0].text == "I own cat 77"
