"""Identity of messages: edits replace, other conversations are kept, and a result names what became of each message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from langchain_core.vectorstores import InMemoryVectorStore
from support import ANA, MAY_8, MAY_15, BagOfWords, judge, plain_bundle, tell, texts, turn
from support.files import files_with

from langchain_memlora import MemLoRAMemory
from langchain_memlora.testing import ScriptedEngine
from langchain_memlora.types import AddResult, MemoryState

Make = Callable[..., MemLoRAMemory]
WAYS: list[dict[str, Any]] = [{}, {"infer": False}, {"background": True}]
UUID = "0b54c9ae-8f2f-4f5b-9d8e-1c6a2f6f3d10"


def user(text: str, key: str) -> dict[str, str]:
    return {"role": "user", "content": text, "id": key}


def say(memory: MemLoRAMemory, *messages: dict[str, str], thread: str = "t", **options: Any) -> AddResult:
    return memory.add(list(messages), user_id="ana", thread_id=thread, **options)


def facts(memory: MemLoRAMemory) -> list[str]:
    return texts(memory.get_all(user_id="ana"))


def doors(memory: MemLoRAMemory, query: str) -> str:
    """Return all that reading a memory shows for a query, but for history."""
    hits = memory.search(query, user_id="ana", k=50)
    shown = [hit.text for hit in hits] + [turn.shown for hit in hits for turn in hit.turns]
    answer = memory.answer(query, user_id="ana", k=50, budget=10_000)
    return "\n".join([*shown, *facts(memory), answer.context])


@pytest.mark.parametrize("options", WAYS)
def test_edit_replaces_text_and_facts(memory: MemLoRAMemory, options: dict[str, Any]) -> None:
    (key,) = say(memory, user("I live in Porto", "1"), **options).turn_ids or ("",)
    memory.flush()
    edited = say(memory, user("I keep nine bees", "1"), **options)
    memory.flush()
    assert (edited.edited, edited.turn_ids, edited.skipped) == ((key,), (), ())
    assert "Porto" not in doors(memory, "Where in Porto do I live?")
    assert "nine bees" in doors(memory, "nine bees")
    assert len(facts(memory)) == 1
    (old,) = (m for m in memory.get_all(user_id="ana", deleted=True) if m.state is MemoryState.WITHDRAWN)
    memory.restore(old.id, user_id="ana")
    assert old.text in facts(memory)
    assert say(memory, user("I keep nine bees", "1")).skipped == (("1", "known"),)


def test_edit_brings_back_what_it_superseded(memory: MemLoRAMemory) -> None:
    say(memory, user("I live in Porto", "1"), observed_at=MAY_8)
    say(memory, user("I live in Berlin", "2"), observed_at=MAY_15)
    assert facts(memory) == ["User live in Berlin"]
    say(memory, user("I like tea", "2"))
    assert facts(memory) == ["User live in Porto", "User like tea"]
    (home, _) = memory.get_all(user_id="ana")
    assert (home.observed_at, len(home.turn_ids)) == (MAY_8, 1)
    assert memory.restore(home.id, user_id="ana").after == "User live in Berlin"


def test_edit_keeps_what_others_say(memory: MemLoRAMemory) -> None:
    say(memory, user("I live in Porto", "1"))
    say(memory, user("I live in Porto", "2"))
    say(memory, user("I like tea", "1"))
    assert sorted(facts(memory)) == ["User like tea", "User live in Porto"]
    say(memory, user("I like milk", "2"))
    assert "Porto" not in doors(memory, "live in Porto")


def test_edit_leaves_what_the_caller_gave(memory: MemLoRAMemory) -> None:
    (added,) = say(memory, user("I live in Porto", "1")).operations
    memory.update(str(added.memory_id), "User lives in Faro", user_id="ana")
    say(memory, user("I like tea", "1"))
    assert sorted(facts(memory)) == ["User like tea", "User lives in Faro"]


def test_edit_to_nothing_removes_the_text(memory: MemLoRAMemory) -> None:
    say(memory, user("I live in Porto", "1"), user("I like tea", "2"))
    assert len(say(memory, user("", "1")).edited) == 1
    assert "Porto" not in doors(memory, "live in Porto")
    assert say(memory, user(" ", "3")).skipped == (("3", "empty"),)
    assert say(memory, user("I live in Porto", "1")).edited
    assert "Porto" in doors(memory, "live in Porto")


def test_edit_of_a_deleted_fact_is_read(memory: MemLoRAMemory) -> None:
    (added,) = say(memory, user("I own code 4471", "1")).operations
    memory.delete(str(added.memory_id), user_id="ana")
    say(memory, user("I own a cat", "1"))
    assert "4471" not in doors(memory, "code 4471 cat")
    assert "own a cat" in doors(memory, "cat")


def test_assistants_edit_replaces_its_text(memory: MemLoRAMemory) -> None:
    say(memory, user("I like tea", "1"), {"role": "assistant", "content": "Try an oolong", "id": "2"})
    say(memory, {"role": "assistant", "content": "Try a sencha", "id": "2"})
    assert "oolong" not in doors(memory, "Try an oolong")
    assert "sencha" in doors(memory, "sencha")
    assert facts(memory) == ["User like tea"]


def test_last_of_two_messages_with_an_id_counts(memory: MemLoRAMemory) -> None:
    done = say(memory, user("I live in Porto", "1"), user("I live in Berlin", "1"))
    assert (len(done.turn_ids), done.skipped) == (1, (("1", "edited"),))
    assert facts(memory) == ["User live in Berlin"]


def test_edit_reaches_jobs_that_read_the_old_text(make_memory: Make) -> None:
    other = make_memory()
    edited = turn("I keep nine bees", "1", thread_id="t")

    def extract(prompt: str) -> str:
        if "Porto" in prompt:
            other.ledger.recording.record(ANA, [edited], cut=lambda new, before: [(before, new)])
        return tell(prompt)

    memory = make_memory(extraction=extract)
    assert say(memory, user("I live in Porto", "1")).operations == ()
    memory.retry()
    assert facts(memory) == ["User keep nine bees"]
    assert memory.ledger.jobs("pending", "failed") == []


def test_failed_message_is_read_in_its_new_text(make_memory: Make) -> None:
    memory = make_memory(extraction=lambda prompt: "" if "Porto" in prompt else tell(prompt))
    assert say(memory, user("I live in Porto", "1"), user("I like tea", "2")).status == "failed"
    say(memory, user("I live in Berlin", "1"))
    assert sorted(facts(memory)) == ["User like tea", "User live in Berlin"]
    assert memory.retry().operations == ()


def test_edited_text_leaves_the_files(make_memory: Make) -> None:
    memory = make_memory()
    say(memory, user("I live in Porto", "1"))
    say(memory, user("I like tea", "1"))
    memory.forget(user_id="ana")
    memory.close()
    assert files_with(b"Porto", Path(memory.path)) == []


# -- conversations without a thread


def test_conversations_with_equal_ids_are_kept(memory: MemLoRAMemory) -> None:
    first = [user("I live in Porto", "1"), user("I have a dog", "2")]
    second = [user("I keep nine bees", "1"), user("I play chess", "2")]
    assert say(memory, *first, thread="").reused == ()
    done = say(memory, *second, thread="")
    assert (len(done.turn_ids), done.reused, done.edited, done.skipped) == (2, ("1", "2"), (), ())
    for talk in (first, second):  # repeated, each is recognised
        assert say(memory, *talk, thread="").skipped == (("1", "known"), ("2", "known"))
    assert len(facts(memory)) == 4
    assert say(memory, *second, user("I like tea", "3"), thread="").turn_ids
    third = memory.turns([say(memory, user("I own a van", "3"), thread="").turn_ids[0]], user_id="ana")
    assert third[0].message_id == "3"


def test_equal_greetings_make_no_edit(memory: MemLoRAMemory) -> None:
    hello = [user("Hi!", "1"), {"role": "assistant", "content": "Hello, how can I help you today?", "id": "2"}]
    say(memory, *hello, user("I live in Porto", "3"), thread="")
    done = say(memory, *hello, user("I live in Berlin", "3"), thread="")
    assert done.edited == ()
    assert "Porto" in doors(memory, "Porto")
    assert "Berlin" in doors(memory, "Berlin")


def test_conversation_that_is_repeated_with_a_change_is_edited(memory: MemLoRAMemory) -> None:
    say(memory, user("I live in Porto", "1"), user("I have a dog", "2"), thread="")
    assert len(say(memory, user("I live in Porto", "1"), user("I keep nine bees", "2"), thread="").edited) == 1
    assert "dog" not in doors(memory, "Have I a dog?")


def test_unique_id_is_edited_without_a_thread(memory: MemLoRAMemory) -> None:
    say(memory, user("I live in Porto", UUID), thread="")
    assert len(say(memory, user("I live in Berlin", UUID), thread="").edited) == 1
    assert facts(memory) == ["User live in Berlin"]


def test_conversations_of_one_call_are_kept(memory: MemLoRAMemory) -> None:
    done = say(memory, user("I live in Porto", "1"), user("I keep nine bees", "1"), thread="")
    assert (len(done.turn_ids), done.reused) == (2, ("1",))


def test_import_keeps_both_conversations(make_memory: Make, tmp_path: Path) -> None:
    one, two = (make_memory(path=tmp_path / name, index=InMemoryVectorStore(BagOfWords())) for name in "ab")
    say(one, user("I live in Porto", "1"), thread="")
    say(two, user("I keep nine bees", "1"), thread="")
    one.export(tmp_path / "one.jsonl")
    for _ in range(2):
        two.import_(tmp_path / "one.jsonl")
    assert sorted(turn.text for turn in two.ledger.all_turns(ANA)) == [
        "I keep nine bees",
        "I live in Porto",
    ]


# -- any history

WORDS = ["amber", "basil", "cedar", "daisy", "ember", "fern"]
MESSAGES = st.tuples(st.sampled_from("123"), st.sampled_from(WORDS))
CALLS = st.tuples(st.sampled_from(["", "t", "u"]), st.lists(MESSAGES, min_size=1, max_size=4), st.sampled_from(WAYS))


@settings(max_examples=8, phases=[Phase.generate])
@given(calls=st.lists(CALLS, min_size=1, max_size=6))
def test_newest_text_is_found_and_old_text_by_no_door(calls: list[Any]) -> None:
    engine = ScriptedEngine(extraction=tell, memory_update=judge, generation=lambda prompt: prompt)
    store = InMemoryVectorStore(BagOfWords())
    with (
        TemporaryDirectory() as folder,
        MemLoRAMemory(path=folder, experts=plain_bundle(), engine=engine, index=store, reranker=None) as memory,
    ):
        newest: dict[tuple[str, str], str] = {}
        ever: set[str] = set()
        without_thread: list[str] = []
        for thread, messages, options in calls:
            talk = [user(f"I own {word} {key}", key) for key, word in messages]
            done = say(memory, *talk, thread=thread, **options)
            memory.flush()
            assert len([*done.skipped, *done.edited, *done.turn_ids]) == len(talk)
            ever |= {message["content"] for message in talk}
            stored = memory.ledger.all_turns(ANA)
            named = {(turn.thread_id, turn.message_id): turn.text for turn in stored if turn.thread_id in ("t", "u")}
            others = [turn.text for turn in stored if turn.thread_id not in ("t", "u")]
            if thread:
                newest |= {(thread, message["id"]): message["content"] for message in talk}
            else:
                assert {message["content"] for message in talk} <= {*others}
                assert len({*without_thread} - {*others}) <= len(done.edited)
                assert len(others) == len(without_thread) + len(done.turn_ids)
                without_thread = others
            assert (named, others) == (newest, without_thread)
        hits = memory.search(" ".join(WORDS), user_id="ana", k=100, include="turns")
        found = [turn.text for hit in hits for turn in hit.turns]
        assert sorted(found) == sorted([*newest.values(), *without_thread])
        shown = doors(memory, " ".join(WORDS))
        assert {text for text in ever if text.removeprefix("I ") in shown} == {*found}
