"""Tests of the facade's verbs on both kinds of store."""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk, ChatMessage, HumanMessage, SystemMessage
from langchain_core.vectorstores import InMemoryVectorStore
from support import ANA, MAY_8, BagOfWords, texts
from support.pixels import png, shown

from langchain_memlora import MemLoRAMemory, Retention, UserMemory
from langchain_memlora.errors import ClosedError, IndexMismatchError, InvalidInputError, NotFoundError
from langchain_memlora.memory.protocol import MemoryLike
from langchain_memlora.types import Event

Make = Callable[..., MemLoRAMemory]
both = pytest.mark.parametrize("backend", ["memory", "chroma"])
NOT_VERBS = {"for_user", "close"}  # `async with` closes


def verbs() -> list[str]:
    public = inspect.getmembers(MemLoRAMemory, inspect.isfunction)
    names = [name for name, method in public if not name.startswith("_") and not inspect.iscoroutinefunction(method)]
    return sorted(name for name in set(names) - NOT_VERBS if not name.startswith("as_"))


def one(memory: MemLoRAMemory, text: str = "I live in Porto", user: str = "ana", **options: Any) -> str:
    """Add a message; gives its memory's id."""
    return str(memory.add(text, user_id=user, observed_at=MAY_8, **options).operations[0].memory_id)


# -- twins


@pytest.mark.parametrize("verb", verbs())
def test_async_verbs_match_sync(make_memory: Make, tmp_path: Any, verb: str) -> None:
    plain, twin = getattr(MemLoRAMemory, verb), getattr(MemLoRAMemory, f"a{verb}")
    assert inspect.iscoroutinefunction(twin)
    assert inspect.signature(plain) == inspect.signature(twin)
    results = []
    for name in ("sync", "async"):
        memory = make_memory(path=tmp_path / name, index=InMemoryVectorStore(BagOfWords()))
        key = one(memory)
        memory.update(key, "User live in Berlin", user_id="ana")
        picture = with_picture(memory) if verb == "picture" else ""
        given: dict[str, Any] = {
            "add": (["I like tea"],),
            "add_many": ([{"messages": "I like tea", "user_id": "ana", "observed_at": MAY_8}],),
            "picture": (picture,),
            "update": (key, "User live in Rome"),
            "search": ("Berlin",),
            "answer": ("Where?",),
            **dict.fromkeys(("turns", "delete_turns"), ([turn_of(memory, key)],)),
            "export": (tmp_path / f"{name}.jsonl",),
            "expire": (Retention(memories=1),),
            "backup": (tmp_path / f"{name}.sqlite3",),
            "import_": (exported(memory, tmp_path / f"{name}-before.jsonl"),),
            **dict.fromkeys(("delete", "restore", "get", "history"), (key,)),
        }
        options = {"user_id": "ana"} if "user_id" in inspect.signature(plain).parameters else {}
        call = getattr(memory, verb if name == "sync" else f"a{verb}")(*given.get(verb, ()), **options)
        result = asyncio.run(call) if inspect.iscoroutine(call) else call
        results.append(
            (bare(result), bare(memory.get_all(user_id="ana", deleted=True)), bare(memory.history(user_id="ana")))
        )
    assert results[0] == results[1]


def with_picture(memory: MemLoRAMemory) -> str:
    """Show the memory a picture; gives its reference."""
    memory.add([shown("My boat", png())], user_id="ana", observed_at=MAY_8)
    (turn,) = (turn for turn in memory.ledger.all_turns(ANA) if turn.images)
    return turn.images[0]


def turn_of(memory: MemLoRAMemory, key: str) -> str:
    return memory.history(key, user_id="ana")[0].turn_id or ""


def exported(memory: MemLoRAMemory, path: Path) -> Path:
    memory.export(path)
    return path


def bare(value: Any) -> Any:
    """A result without ids, times and clocks."""
    if isinstance(value, list | tuple):
        return [bare(item) for item in value]
    shown = {
        "text",
        "event",
        "before",
        "after",
        "by",
        "state",
        "known",
        "context",
        "status",
        "skipped",
        "operations",
        "hits",
    }
    shown |= {"memory", "turns"}
    fields = [name for name in getattr(type(value), "__slots__", ()) if name in shown]
    return [(name, bare(getattr(value, name))) for name in fields] or value


# -- by hand


@both
def test_memory_lifecycle(memory: MemLoRAMemory) -> None:
    key = one(memory)
    assert memory.get(key, user_id="ana").text == "User live in Porto"
    assert memory.update(key, " User live in Berlin ", user_id="ana").after == "User live in Berlin"
    assert memory.search("Berlin", user_id="ana")[0].text == "User live in Berlin"
    memory.delete(key, user_id="ana")
    assert memory.search("Porto Berlin", user_id="ana") == []  # the turn is withheld, too
    with pytest.raises(NotFoundError):
        memory.get(key, user_id="ana")
    assert texts(memory.get_all(user_id="ana", deleted=True)) == ["User live in Berlin"]
    memory.restore(key, user_id="ana")
    assert {hit.text for hit in memory.search("Berlin Porto", user_id="ana")} >= {
        "User live in Berlin",
        "I live in Porto",
    }
    memory.restore(key, user_id="ana")
    assert memory.get(key, user_id="ana").text == "User live in Porto"
    assert [op.by for op in memory.history(key, user_id="ana")] == ["expert", "update", "delete", "restore", "restore"]


def test_other_users_memory_is_not_found(memory: MemLoRAMemory) -> None:
    key = one(memory)
    for call in (memory.get, memory.delete, memory.restore):
        with pytest.raises(NotFoundError, match="'ben' has no memory"):
            call(key, user_id="ben")
    with pytest.raises(NotFoundError):
        memory.update(key, "x", user_id="ben")
    assert (
        memory.history(key, user_id="ben")
        == memory.get_all(user_id="ben")
        == memory.search("Porto", user_id="ben")
        == []
    )
    assert memory.get(key, user_id="ana").revision == 1


def test_delete_all_covers_visible_scope(memory: MemLoRAMemory) -> None:
    one(memory), one(memory, agent_id="coach"), one(memory, agent_id="chef"), one(memory, user="ben")
    assert [op.event for op in memory.delete_all(user_id="ana", agent_id="coach")] == [Event.DELETE] * 2
    assert [m.scope.agent_id for m in memory.get_all(user_id="ana")] == ["chef"]
    assert len(memory.get_all(user_id="ben")) == 1


@both
def test_reset_clears_all_users(memory: MemLoRAMemory) -> None:
    one(memory), one(memory, user="ben")
    memory.reset()
    assert memory.get_all(user_id="ana", deleted=True) == memory.history(user_id="ben") == []
    assert memory.search("Porto", user_id="ana") == []
    one(memory)
    assert texts(memory.get_all(user_id="ana")) == ["User live in Porto"]


@pytest.mark.parametrize("backend", ["chroma"])
def test_reset_erases_bytes(memory: MemLoRAMemory) -> None:
    one(memory, "I own a zebrafish")
    memory.reset()
    assert not any(b"zebrafish" in file.read_bytes() for file in memory.path.rglob("*") if file.is_file())


# -- adding


def test_replayed_messages_are_skipped(memory: MemLoRAMemory) -> None:
    talk: list[Any] = [
        {"role": "user", "content": "I live in Porto", "name": "Ana", "id": "1"},
        ("assistant", "Nice!"),
        SystemMessage("Be brief"),
        ("user", "  "),
    ]
    first = memory.add(talk, user_id="ana", thread_id="t", observed_at=MAY_8)
    assert (len(first.turn_ids), len(first.skipped), [op.after for op in first.operations]) == (
        2,
        2,
        ["Ana live in Porto"],
    )
    again = memory.add([*talk, ("user", "I like tea")], user_id="ana", thread_id="t", observed_at=MAY_8)
    assert (len(again.turn_ids), len(again.skipped), [op.after for op in again.operations]) == (1, 4, ["User like tea"])
    assert memory.add([SystemMessage("x", id="s")], user_id="ana").skipped == (("s", "role"),)


def test_message_subclasses_keep_their_role(memory: MemLoRAMemory) -> None:
    given = [
        AIMessageChunk("Where do ") + AIMessageChunk("you live?"),
        ChatMessage("In Porto", role="user"),
        HumanMessage("Yes"),
    ]
    memory.add(given, user_id="ana")
    assert [(t.role, t.text) for t in memory.ledger.all_turns(ANA)] == [
        ("assistant", "Where do you live?"),
        ("user", "In Porto"),
        ("user", "Yes"),
    ]


@both
def test_add_without_inference(memory: MemLoRAMemory) -> None:
    said = ["I live in Porto ", ("assistant", "Nice!")]
    result = memory.add(said, user_id="ana", infer=False, metadata={"n": 1, "at": MAY_8}, observed_at=MAY_8)
    assert [(op.after, op.by) for op in result.operations] == [("I live in Porto", "add")]
    assert memory.engine.calls == []  # type: ignore[attr-defined]
    kept = memory.get_all(user_id="ana")[0]
    assert kept.metadata == {"n": 1, "at": MAY_8.isoformat()}
    assert kept.turn_ids == result.turn_ids[:1]
    assert memory.add(said, user_id="ana", infer=False, observed_at=MAY_8).operations == ()
    assert len(memory.ledger.all_turns(ANA)) == 2


# -- views


def test_view_is_bound_to_scope(memory: MemLoRAMemory) -> None:
    view = memory.for_user("ana", agent_id="coach")
    key = str(view.add("I live in Porto").operations[0].memory_id)
    one(memory, agent_id="chef")
    assert [m.id for m in view.get_all()] == [key]
    assert view.get(key).scope == view.scope
    assert "Porto" in view.answer("Where?").text
    assert view.search("Porto")[0].text
    assert asyncio.run(view.aadd("I like tea")).status == "ok"
    assert asyncio.run(view.aanswer("Tea?")).hits
    assert view.update(key, "x").event is Event.UPDATE
    assert view.restore(key)
    assert view.delete(key)
    assert len(view.history(key)) == 4
    assert len(view.delete_all()) == 1
    with pytest.raises(NotFoundError):
        memory.for_user("ben").get(key)
    with pytest.raises(AttributeError, match="reset"):
        view.reset()  # type: ignore[attr-defined]


VIEWED = [verb for verb in verbs() if "user_id" in inspect.signature(getattr(MemLoRAMemory, verb)).parameters]
SCOPE_ARGUMENTS = {"user_id", "agent_id", "run_id"}


def signature(owner: type, verb: str) -> inspect.Signature:
    """A verb's signature without scope arguments."""
    found = inspect.signature(getattr(owner, verb))
    return found.replace(parameters=[p for p in found.parameters.values() if p.name not in SCOPE_ARGUMENTS])


@pytest.mark.parametrize("verb", [*VIEWED, *(f"a{verb}" for verb in VIEWED)])
def test_view_signatures(verb: str) -> None:
    assert inspect.signature(getattr(UserMemory, verb)) == signature(MemLoRAMemory, verb)
    assert inspect.iscoroutinefunction(getattr(UserMemory, verb)) == (verb[1:] in VIEWED and verb[0] == "a")


def test_view_has_no_other_verbs() -> None:
    public = {name for name in vars(UserMemory) if not name.startswith(("_", "as_"))}
    assert public == {*VIEWED, *(f"a{verb}" for verb in VIEWED)}


def test_protocol_signatures() -> None:
    protocol = {name: verb for name, verb in inspect.getmembers(MemoryLike, inspect.isfunction) if name[0] != "_"}
    assert len(protocol) > len(VIEWED)
    for name, verb in protocol.items():
        assert inspect.signature(verb) == inspect.signature(getattr(MemLoRAMemory, name)), name


@pytest.mark.parametrize("named", [{"user_id": "ben"}, {"agent_id": None}, {"run_id": "x"}])
def test_view_rejects_other_scope(memory: MemLoRAMemory, named: dict[str, Any]) -> None:
    one(memory, user="ben")
    view = memory.for_user("ana", agent_id="coach")
    for call in (view.get_all, view.history, view.forget, view.as_tools):
        with pytest.raises(InvalidInputError, match="Leave it out"):
            call(**named)
    assert len(memory.get_all(user_id="ben")) == 1


def test_agent_view_excludes_other_agents(memory: MemLoRAMemory) -> None:
    key = one(memory, agent_id="chef")
    turn = memory.get(key, user_id="ana").turn_ids[0]
    view = memory.for_user("ana", agent_id="coach")
    assert (view.history(), view.history(key), view.turns([turn]), view.get_all()) == ([], [], [], [])
    for call in (view.get, view.delete, view.restore, lambda key: view.update(key, "x")):
        with pytest.raises(NotFoundError, match="or not in this scope"):
            call(key)
    for call in (view.forget, view.export):
        with pytest.raises(InvalidInputError, match="about all of a user"):
            call()
    assert memory.for_user("ana", agent_id="chef").get(key).text


# -- warming up and closing


def test_warm_freezes_objects_until_close(memory: MemLoRAMemory) -> None:
    memory.warm()
    assert gc.get_freeze_count() > 0
    memory.close()
    assert gc.get_freeze_count() == 0


@both
def test_closed_memory_raises_and_data_stays(make_memory: Make) -> None:
    memory = make_memory()
    asyncio.run(memory.aadd("I live in Porto", user_id="ana"))  # the index is opened by another thread
    memory.close()
    memory.close()
    for verb in verbs():
        parameters = inspect.signature(getattr(MemLoRAMemory, verb)).parameters.values()
        given = {p.name: "x" for p in parameters if p.default is p.empty and p.name != "self"}
        with pytest.raises(ClosedError, match="Make a new"):
            getattr(memory, verb)(**given)
        with pytest.raises(ClosedError):
            asyncio.run(getattr(memory, f"a{verb}")(**given))
    with make_memory() as again:
        assert again.search("Porto", user_id="ana")


def test_async_context_manager_closes(make_memory: Make) -> None:
    async def use() -> MemLoRAMemory:
        async with make_memory() as memory:
            await asyncio.gather(*(memory.aadd(f"I like tea {i}", user_id="ana") for i in range(2)))
            return memory

    with pytest.raises(ClosedError):
        asyncio.run(use()).get_all(user_id="ana")


def test_different_embedder_requires_rebuild(make_memory: Make) -> None:
    first = make_memory()
    one(first)
    store = first.services.index().index.store  # type: ignore[attr-defined]
    first.close()
    other = BagOfWords()
    other.model_name = "other"  # type: ignore[attr-defined]
    second = make_memory(embeddings=other)
    with pytest.raises(IndexMismatchError):
        second.search("Porto", user_id="ana")
    store.store.clear()
    assert second.rebuild() == 2
    assert second.search("Porto", user_id="ana")


def test_different_store_requires_rebuild(make_memory: Make, tmp_path: Any) -> None:
    first = make_memory()
    one(first)
    first.close()

    class Other(InMemoryVectorStore):
        """Another sort of store."""

    second = make_memory(index=Other(BagOfWords()), embeddings=None)
    with pytest.raises(IndexMismatchError, match=r"but Other was opened.*call `rebuild` once to move them"):
        second.search("Porto", user_id="ana")
    assert second.rebuild() == 2
    assert second.search("Porto", user_id="ana")
    with pytest.raises(IndexMismatchError, match="are in Other, but"):
        make_memory().search("Porto", user_id="ana")


# -- at once


def test_concurrent_adds_leave_no_duplicates(memory: MemLoRAMemory) -> None:
    facts = [f"I like thing{i}" for i in range(20)]
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            memory.add(facts, user_id="ana", thread_id=str(number), observed_at=MAY_8)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert memory.ledger.jobs("pending", "failed") == []
    kept = memory.get_all(user_id="ana")
    assert sorted(texts(kept)) == sorted(f"User like thing{i}" for i in range(20))
    assert all(len(m.turn_ids) == 8 for m in kept)
