"""Tests of retention limits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support import ANA, BEN, MAY_8, add, change, get_memory, say, texts
from support.files import files_with

from langchain_memlora import MemLoRAMemory, Retention
from langchain_memlora.errors import InvalidInputError
from langchain_memlora.ledger import Ledger
from langchain_memlora.types import Event, Scope, Span

Make = Callable[..., MemLoRAMemory]
NOW = datetime.now(UTC)
YEAR_AGO = NOW - timedelta(days=365)


def sound(ledger: Ledger) -> bool:
    """Tables, full-text search and links agree."""
    known = {turn.id for turn in ledger.all_turns(ANA)}
    linked = {turn for memory in ledger.memories(ANA, deleted=True) for turn in memory.turn_ids}
    return ledger.check() == [] and linked <= known and ledger.repair() == 0


def test_expired_memories_lose_their_history(ledger: Ledger) -> None:
    old = add(ledger, "User keeps bees", told_by=say(ledger, "I keep bees", at=YEAR_AGO))
    kept = add(ledger, "User lives in Porto", told_by=say(ledger, "I live in Porto", at=YEAR_AGO))
    change(ledger, Event.UPDATE, kept, "User lives in Rome", told_by=say(ledger, "I live in Rome now", at=NOW))
    went = ledger.expire(Retention(days=30))
    assert (went["turns"], went["memories"], went["operations"]) == (2, 1, 1)
    assert texts(ledger.memories(ANA)) == ["User lives in Rome"]
    assert [turn.text for turn in ledger.all_turns(ANA)] == ["I live in Rome now"]
    assert ledger.history(ANA, old) == []
    assert ledger.lexical(ANA, "memory", "bees", 9) == ledger.lexical(ANA, "turn", "bees Porto", 9) == []
    assert sound(ledger)
    assert ledger.restore(ANA, kept).after == "User lives in Porto"  # what stays can be undone as before


def test_deleted_then_oldest_expire_first(ledger: Ledger) -> None:
    keys = [add(ledger, text, told_by=say(ledger, f"I say {text}", at=NOW)) for text in ("a", "b", "c")]
    change(ledger, Event.DELETE, keys[2])
    ledger.expire(Retention(memories=2))
    assert texts(ledger.memories(ANA, deleted=True)) == ["a", "b"]
    assert [turn.text for turn in ledger.all_turns(ANA)] == ["I say a", "I say b"]  # else "c" would be told again
    ledger.expire(Retention(memories=1))
    assert texts(ledger.memories(ANA)) == ["b"]
    assert sound(ledger)


def test_message_of_kept_memory_stays(ledger: Ledger) -> None:
    told = say(ledger, "I keep bees and live in Porto", at=NOW)
    add(ledger, "User keeps bees", told_by=told)
    add(ledger, "User lives in Porto", told_by=told)
    ledger.expire(Retention(memories=1))
    assert get_memory(ledger, ledger.memories(ANA)[0].id).turn_ids == (told.id,)


def test_expired_turns_leave_search_windows(ledger: Ledger) -> None:
    for text in ("I met Bruno", "He is a vet", "He likes tea"):
        say(ledger, text, at=NOW)
    assert len(ledger.lexical(ANA, "window", "Bruno", 9)) == 2
    ledger.expire(Retention(turns=2))
    assert ledger.lexical(ANA, "window", "Bruno", 9) == []
    assert len(ledger.lexical(ANA, "window", "vet", 9)) == 2
    assert sound(ledger)


def test_spans_go_with_their_turn(ledger: Ledger) -> None:
    told, update = say(ledger, "Six nights in Porto", at=YEAR_AGO), say(ledger, "Seven nights", at=NOW)
    repeated, unmoved = say(ledger, "Yes, bees", at=NOW), say(ledger, "I keep bees", at=NOW)
    bees = add(ledger, "I keep bees", told_by=unmoved, form="said", said=Span(0, 11))
    trip = add(ledger, "Six nights in Porto", told_by=told, form="said", said=Span(0, 10, "How long?"))
    change(ledger, Event.NONE, trip, told_by=repeated)
    later = add(ledger, "Six nights", told_by=told, form="said", said=Span(0, 10, "How long?"))
    change(ledger, Event.UPDATE, later, "Seven nights", told_by=update, form="said", said=Span(0, 12))
    ledger.expire(Retention(turns=3))
    found = {m.id: (m.form, m.said, m.turn_ids) for m in ledger.memories(ANA)}
    assert found[trip] == ("said", None, (repeated.id,))  # the other turn says it in other words
    assert found[bees] == ("said", Span(0, 11), (unmoved.id,))
    assert found[later] == ("said", Span(0, 12), (update.id,))
    assert (ledger.restore(ANA, later).form, get_memory(ledger, later).said) == ("said", None)


def test_expired_question_leaves_spans(ledger: Ledger, tmp_path: Path) -> None:
    asked = say(ledger, "Do you own a zebrafish?", role="assistant", at=NOW)
    told = say(ledger, "Yes, two", at=NOW)
    key = add(ledger, "Yes, two", told_by=told, form="said", said=Span(0, 8, asked.text))
    change(ledger, Event.UPDATE, key, "Yes, three", told_by=told, form="said", said=Span(0, 8, asked.text))
    ledger.cache_vectors("e", {asked.text: [1.0]})
    assert ledger.expire(Retention(turns=1))["vectors"] == 1
    assert get_memory(ledger, key).said == Span(0, 8)
    ledger.restore(ANA, key)
    assert get_memory(ledger, key).said == Span(0, 8)
    ledger.finish_erasure()
    assert ledger.database.path is None or files_with(b"zebrafish", tmp_path) == []


def test_limits_apply_per_scope(ledger: Ledger) -> None:
    coach = Scope("ana", "coach")
    for scope in (ANA, BEN, coach):
        for number in range(3):
            say(ledger, f"{scope} says {number}", scope, at=NOW)
    ledger.expire(Retention(turns=1), ANA)
    assert [len(ledger.all_turns(scope)) for scope in (ANA, BEN, coach)] == [
        4,
        3,
        4,
    ]  # one of her own, three to the coach
    assert ledger.expire(Retention(turns=1))["turns"] == 4
    assert ledger.expire(Retention(turns=1)) == dict.fromkeys(("turns", "memories", "operations", "jobs", "vectors"), 0)


@pytest.mark.parametrize("limits", [{}, {"days": 0}, {"memories": -1}, {"turns": "many"}, {"days": float("nan")}])
def test_invalid_limits_raise(limits: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="above 0"):
        Retention(**limits)


@pytest.mark.parametrize("backend", ["memory", "chroma"])
def test_add_beyond_limit_expires_oldest(make_memory: Make) -> None:
    memory = make_memory(retention=Retention(memories=2, turns=2))
    for word in ("zebrafish", "bees", "cats"):
        memory.add(f"I keep {word}", user_id="ana", observed_at=MAY_8)
    assert texts(memory.get_all(user_id="ana")) == ["User keep bees", "User keep cats"]
    assert {hit.text for hit in memory.search("zebrafish", user_id="ana")} == {"User keep bees", "User keep cats"}
    memory.add("I keep dogs", user_id="ana", background=True)
    memory.flush()
    assert len(memory.get_all(user_id="ana")) == 2


@pytest.mark.parametrize("backend", ["chroma"])
def test_expire_leaves_no_bytes(make_memory: Make) -> None:
    memory = make_memory()
    memory.add("I own a zebrafish", user_id="ana", observed_at=YEAR_AGO)
    memory.add(["My fish died", "I keep a cat"], user_id="ana")
    assert files_with(b"zebrafish", memory.path)
    with pytest.raises(InvalidInputError, match="Retention"):
        memory.expire()
    receipt = memory.expire(Retention(days=30))
    assert (receipt.turns, receipt.memories, receipt.jobs) == (1, 1, 1)
    assert files_with(b"zebrafish", memory.path) == []
    assert memory.search("cat", user_id="ana")[0].text == "User keep a cat"


@pytest.mark.parametrize("backend", ["chroma"])
def test_expired_deletion_takes_what_it_withholds(make_memory: Make) -> None:
    memory = make_memory()
    key = memory.add("I own a zebrafish", user_id="ana", observed_at=YEAR_AGO).operations[0].memory_id
    memory.add([("assistant", "So you own a zebrafish!"), "I keep a cat"], user_id="ana")
    memory.delete(str(key), user_id="ana")
    assert memory.expire(Retention(days=30)).turns == 2
    assert files_with(b"zebrafish", memory.path) == []
    assert texts(memory.get_all(user_id="ana", deleted=True)) == ["User keep a cat"]


def test_forget_erases_what_is_withheld(make_memory: Make) -> None:
    memory = make_memory()
    key = (
        memory.add(["I own a zebrafish", ("assistant", "So you own a zebrafish!")], user_id="ana")
        .operations[0]
        .memory_id
    )
    memory.delete(str(key), user_id="ana")
    assert memory.forget(user_id="ana").turns == 2
    assert files_with(b"zebrafish", memory.path) == []
