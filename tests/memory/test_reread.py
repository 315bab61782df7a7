"""Tests of `reread`: what an older bundle read or could not read, read again."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.vectorstores import InMemoryVectorStore
from support import ANA, MAY_8, MAY_15, BagOfWords, pair, texts

from langchain_memlora import MemLoRAMemory
from langchain_memlora.bundles import Bundle, Role
from langchain_memlora.errors import EngineError
from langchain_memlora.testing import ScriptedEngine
from langchain_memlora.types import Event, MemoryState

Make = Callable[..., MemLoRAMemory]
GERMAN = "Ich wohne seit dem letzten Sommer mit meiner Schwester in Leipzig."
GERMAN_REQUEST = "Bitte vergiss, dass ich seit dem letzten Sommer in Leipzig wohne."


def sentences(prompt: str) -> str:
    """Extract each sentence of the numbered messages as a fact, in the dialect `lines`; "hm ..." holds none."""
    rows = []
    for number, text in re.findall(r"^(\d+) [^:\n]*: (.*)$", prompt, re.M):
        for sentence in re.findall(r"[^.]+", text):
            row = sentence.strip().removeprefix("I ")
            row = f"forget: {row.removeprefix('Forget I ')}" if row.startswith("Forget ") else row
            rows += [] if row.startswith("hm") else [f"{number} {row}"]
    return "\n".join(rows) or "none"


def choose(prompt: str) -> str:
    """Choose sentences in the dialect `spans`; "Maybe ..." states nothing."""
    sentence = prompt.rpartition("Sentence: ")[2]
    if sentence.startswith(("Forget ", "Bitte vergiss")):
        return "forget"
    return "none" if sentence.startswith(("Maybe", "hm")) else "alone"


def decide(prompt: str) -> str:
    """Decide on the words alone, quoted or not: equal is NONE, equal first two words UPDATE, "forget" of the same DELETE."""
    old, new = pair(prompt)
    plain = [re.sub(r'^(forget that )?(User:? )?"?(Forget )?(I )?|[."]', "", text) for text in (old, new)]
    if new.startswith("forget that "):
        return "DELETE" if plain[0] == plain[1] else "ADD"
    if plain[0] == plain[1]:
        return "NONE"
    return "UPDATE" if plain[0].split()[:2] == plain[1].split()[:2] else "ADD"


def spans_bundle(bundle: Bundle, *languages: str) -> Bundle:
    card = bundle.card.model_copy(update={"dialect": "spans", "languages": languages or bundle.card.languages})
    prompts = {**bundle.prompts, Role.EXTRACTION: "{dialogue}\n\nSentence: {sentence}"}
    return dataclasses.replace(bundle, card=card, prompts=prompts)


@pytest.fixture
def old(make_memory: Make, monkeypatch: pytest.MonkeyPatch) -> MemLoRAMemory:
    """Return a memory with a bundle that writes sentences, which are not checked, as before the guard."""
    monkeypatch.setattr("langchain_memlora.experts.experts.guard", lambda extraction, window: extraction)
    return make_memory(extraction=sentences, memory_update=decide)


@pytest.fixture
def new(make_memory: Make, bundle: Bundle) -> Callable[..., MemLoRAMemory]:
    """Return a function that opens the same memory with a bundle that quotes."""

    def make(*languages: str, **scripts: Any) -> MemLoRAMemory:
        scripts = {"extraction": choose, "memory_update": decide, **scripts}
        return make_memory(experts=spans_bundle(bundle, *languages), **scripts)

    return make


def contents(memory: MemLoRAMemory) -> list[str]:
    return texts(memory.get_all(user_id="ana"))


def asked(memory: MemLoRAMemory, role: Role = Role.EXTRACTION) -> list[str]:
    assert isinstance(memory.engine, ScriptedEngine)
    return [request.prompt for request in memory.engine.calls if request.role == role]


# -- unproven memories


def test_unproven_memories_give_way(old: MemLoRAMemory, new: Callable[..., MemLoRAMemory]) -> None:
    old.add(["I live in Porto", "Maybe I like tea"], user_id="ana")
    assert contents(old) == ["User live in Porto", "User Maybe I like tea"]
    memory = new()
    steps: list[tuple[int, int]] = []
    done = memory.reread(lambda at, total: steps.append((at, total)))
    assert (done.turns, done.unproven, done.errors, steps) == (2, 0, (), [(2, 2)])
    assert [(op.event, op.by) for op in done.operations] == [
        (Event.ADD, "expert"),
        (Event.DELETE, "reread"),
        (Event.DELETE, "reread"),
    ]
    (porto,) = memory.get_all(user_id="ana")
    assert (porto.text, porto.form) == ('User: "I live in Porto"', "said")
    assert memory.search("tea", user_id="ana")[0].text == "Maybe I like tea"  # the turn is not withheld
    assert memory.ledger.reading.waiting() == {}
    again = memory.reread()
    assert (again.turns, again.operations) == (0, ())


def test_withdrawn_memory_is_restored_for_good(old: MemLoRAMemory, new: Callable[..., MemLoRAMemory]) -> None:
    old.add("Maybe I like tea", user_id="ana")
    (tea,) = old.get_all(user_id="ana")
    memory = new()
    memory.reread()
    (gone,) = memory.get_all(user_id="ana", deleted=True)
    assert (gone.id, gone.text, gone.state) == (tea.id, tea.text, MemoryState.WITHDRAWN)
    memory.restore(tea.id, user_id="ana")
    assert memory.reread().operations == ()
    assert contents(memory) == ["User Maybe I like tea"]
    assert [op.by for op in memory.history(tea.id, user_id="ana")] == ["expert", "reread", "restore"]


def test_what_callers_wrote_stays(old: MemLoRAMemory, new: Callable[..., MemLoRAMemory]) -> None:
    old.add("I keep bees", user_id="ana", infer=False)
    old.add("I live in Porto", user_id="ana")
    (porto,) = [m for m in old.get_all(user_id="ana") if "Porto" in m.text]
    old.update(porto.id, "lives near Porto", user_id="ana")
    memory = new()
    assert memory.reread().turns == 0
    assert contents(memory) == ["I keep bees", "lives near Porto"]


def test_deleted_memories_stay_deleted_and_unread(old: MemLoRAMemory, new: Callable[..., MemLoRAMemory]) -> None:
    old.add("I have a dog. I paint", user_id="ana")
    old.add("I live in Porto", user_id="ana", thread_id="other")
    (dog,) = [m for m in old.get_all(user_id="ana") if "dog" in m.text]
    old.delete(dog.id, user_id="ana")
    memory = new()
    done = memory.reread()
    assert (done.turns, done.unproven) == (1, 0)
    assert not any("dog" in prompt for prompt in asked(memory))
    assert sorted(contents(memory)) == ["User paint", 'User: "I live in Porto"']  # its turn is withheld


def test_superseded_fact_does_not_come_back(old: MemLoRAMemory, new: Callable[..., MemLoRAMemory]) -> None:
    old.add("I live in Porto. I paint", user_id="ana", observed_at=MAY_8)
    old.add("I live in Berlin", user_id="ana", observed_at=MAY_15)
    memory = new()
    assert memory.reread().turns == 2
    assert sorted(contents(memory)) == ['User: "I live in Berlin"', 'User: "I paint"']


def test_request_to_forget_is_still_followed(old: MemLoRAMemory, new: Callable[..., MemLoRAMemory]) -> None:
    old.engine._scripts["extraction"] = lambda prompt: sentences(prompt.replace("I have a dog.", ""))  # type: ignore[attr-defined]
    old.add("I have a dog. I paint.", user_id="ana", observed_at=MAY_8)
    old.add("Forget I have a dog", user_id="ana", observed_at=MAY_15)
    memory = new()
    memory.reread()
    assert contents(memory) == ['User: "I paint."']
    assert any("forget that" in prompt for prompt in asked(memory, Role.MEMORY_UPDATE))


def test_bundle_of_sentences_proves_them(
    old: MemLoRAMemory, make_memory: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    old.add("I live in Porto", user_id="ana")
    monkeypatch.undo()
    memory = make_memory()
    done = memory.reread()
    assert (done.turns, done.unproven) == (1, 0)
    assert [m.form for m in memory.get_all(user_id="ana")] == ["written"]


# -- languages


def test_unread_turn_waits_for_its_language(new: Callable[..., MemLoRAMemory], tmp_path: Path) -> None:
    memory = new()
    (turn,) = memory.add(GERMAN, user_id="ana").unread
    assert [t.unread for t in memory.turns([turn], user_id="ana")] == ["language"]
    done = memory.reread()
    assert (done.turns, done.unread, asked(memory)) == (0, 1, [])
    memory.export(tmp_path / "export.jsonl")
    other = new("de", path=tmp_path / "other", index=InMemoryVectorStore(BagOfWords()))
    other.import_(tmp_path / "export.jsonl")
    for reader in (new("en", "de"), other):
        done = reader.reread()
        assert (done.turns, done.unread) == (1, 0)
        assert contents(reader) == [f'User: "{GERMAN}"']
        assert [t.unread for t in reader.turns([turn], user_id="ana")] == [""]


def test_unproven_memory_stays_while_its_turn_is_not_read(
    old: MemLoRAMemory, new: Callable[..., MemLoRAMemory]
) -> None:
    old.add("I moved to Porto with my sister last summer and we both love the weather there", user_id="ana")
    before = contents(old)
    german = new("de")
    done = german.reread()
    assert (done.turns, done.unread, done.unproven) == (0, 1, 0)
    assert contents(german) == before
    assert new("en").reread().turns == 1


@pytest.mark.parametrize("newer", [True, False])
@pytest.mark.parametrize("request_to_forget", [True, False])
def test_what_came_later_stays(new: Callable[..., MemLoRAMemory], newer: bool, request_to_forget: bool) -> None:
    memory = new()
    memory.add(GERMAN_REQUEST if request_to_forget else GERMAN, user_id="ana", observed_at=MAY_8.replace(day=10))
    memory.add("I live in Leipzig", user_id="ana", observed_at=MAY_15 if newer else MAY_8, thread_id="other")
    (leipzig,) = memory.get_all(user_id="ana")
    reader = new("en", "de", memory_update=lambda prompt: "DELETE" if "forget that" in prompt else "UPDATE")
    done = reader.reread()
    assert done.turns == 1
    if request_to_forget:
        assert contents(reader) == ([leipzig.text] if newer else [])
        assert [decision.target for decision in done.kept] == ([leipzig.id] if newer else [])
    else:
        assert contents(reader) == [leipzig.text if newer else f'User: "{GERMAN}"']
    assert reader.ledger.reading.waiting() == {}


def test_given_memory_is_not_changed(new: Callable[..., MemLoRAMemory]) -> None:
    memory = new()
    memory.add("I live in Leipzig", user_id="ana", observed_at=MAY_8, infer=False)
    memory.add(GERMAN, user_id="ana", observed_at=MAY_15)
    reader = new("de", memory_update=lambda prompt: "UPDATE")
    reader.reread()
    assert contents(reader) == ["I live in Leipzig", f'User: "{GERMAN}"']


# -- failing and interruption


def test_unreadable_turn_is_tried_again(old: MemLoRAMemory, new: Callable[..., MemLoRAMemory]) -> None:
    old.add("I live in Porto", user_id="ana")

    def broken(prompt: str) -> str:
        raise EngineError("out of memory")

    with pytest.raises(EngineError):
        new(extraction=broken).reread()
    assert contents(old) == ["User live in Porto"]
    assert old.ledger.reading.counts().again == 1
    assert new().reread().turns == 1


class KilledError(BaseException):
    """The process ends here."""


@contextmanager
def killed_at(memory: MemLoRAMemory, write: int, moment: str) -> Iterator[None]:
    """End the process before, inside or after one of its transactions."""
    database = memory.ledger.database
    writing, left = database.writing, write

    @contextmanager
    def counted() -> Iterator[Any]:
        nonlocal left
        left -= 1
        last = left == 0
        if last and moment == "before":
            raise KilledError
        with writing() as connection:
            yield connection
            if last and moment == "inside":
                raise KilledError
        if last and moment == "after":
            raise KilledError

    database.writing = counted  # type: ignore[method-assign]
    try:
        yield
    except KilledError:
        pass
    finally:
        database.writing = writing  # type: ignore[method-assign]


@pytest.fixture(scope="module")
def old_folder(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> Path:
    """Return a folder with turns of two users that an older bundle read, and of a language it did not know."""
    folder = tmp_path_factory.mktemp("old")
    engine = ScriptedEngine(extraction=sentences, memory_update=decide)
    with MemLoRAMemory(
        path=folder, experts=bundle, engine=engine, index=InMemoryVectorStore(BagOfWords()), reranker=None
    ) as memory:
        for user, first in (("ana", 0), ("ben", 20)):
            said = [f"I own thing{n}. {'Maybe' if n % 3 else 'I'} like {n}" for n in range(first, first + 11)]
            memory.add([*said, GERMAN, "I own thing3"], user_id=user, observed_at=MAY_8)
    return folder


def state(memory: MemLoRAMemory) -> list[Any]:
    """Return everything that a reread may change, without ids."""
    found: list[Any] = []
    for user in ("ana", "ben"):
        everything = memory.get_all(user_id=user, deleted=True)
        found += sorted((m.text, m.form, m.state.value, len(m.turn_ids)) for m in everything)
        found += [turn.unread for turn in memory.ledger.all_turns(dataclasses.replace(ANA, user_id=user))]
    return found


def opened(folder: Path, bundle: Bundle) -> MemLoRAMemory:
    """Open a folder with a bundle that quotes, and an empty index."""
    engine = ScriptedEngine(extraction=choose, memory_update=decide)
    index = InMemoryVectorStore(BagOfWords())
    memory = MemLoRAMemory(
        path=folder, experts=spans_bundle(bundle, "en", "de"), engine=engine, index=index, reranker=None
    )
    memory.rebuild()
    return memory


@pytest.fixture(scope="module")
def whole(old_folder: Path, bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Return the state after a reread that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    shutil.copytree(old_folder, folder, dirs_exist_ok=True)
    with opened(folder, bundle) as memory:
        memory.reread()
        return state(memory)


@settings(max_examples=8)
@given(write=st.integers(1, 20), moment=st.sampled_from(["before", "inside", "after"]))
def test_interrupted_reread_ends_like_a_whole_one(
    old_folder: Path,
    whole: list[Any],
    bundle: Bundle,
    tmp_path_factory: pytest.TempPathFactory,
    write: int,
    moment: str,
) -> None:
    folder = tmp_path_factory.mktemp("killed")
    shutil.copytree(old_folder, folder, dirs_exist_ok=True)
    with opened(folder, bundle) as memory, killed_at(memory, write, moment):
        memory.reread()
    with opened(folder, bundle) as memory:
        memory.reread()
        assert state(memory) == whole
        assert memory.ledger.reading.counts().unproven == 0
        assert memory.ledger.check() == []
