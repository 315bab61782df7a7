"""Tests of the promises to users on a fixed conversation, with the real model, store and experts.

Each expert, switched off, must make a promise fail: code rules may not stand in for experts.
"""

from __future__ import annotations

import pytest

from langchain_memlora import MemLoRAMemory, Role
from langchain_memlora.types import Event
from tests.e2e.conftest import Open, on

pytestmark = pytest.mark.model

HISTORY = [
    ("2024-03-04", [("user", "Hi! I work as a vet in a small clinic."), ("assistant", "Nice to meet you!")]),
    ("2024-03-04", [("user", "I live in Lisbon."), ("assistant", "A lovely city.")]),
    ("2024-03-05", [("user", "I have a parrot named Kiko."), ("assistant", "How colourful!")]),
    ("2024-03-06", [("user", "I adopted a second parrot yesterday."), ("assistant", "How exciting!")]),
    ("2024-03-20", [("user", "ok, thanks!"), ("assistant", "You are welcome.")]),
    ("2024-06-10", [("user", "Big news: I left Lisbon and live in Madrid now."), ("assistant", "Enjoy Madrid!")]),
]


def tell(memory: MemLoRAMemory, user_id: str = "ana") -> list[Event]:
    """Play the history and return the events of all operations."""
    results = [
        memory.add([{"role": r, "content": c} for r, c in turns], user_id=user_id, observed_at=on(day))
        for day, turns in HISTORY
    ]
    assert all(result.status == "ok" for result in results), [result.errors for result in results]
    return [operation.event for result in results for operation in result.operations]


def texts(memory: MemLoRAMemory, user_id: str = "ana") -> str:
    """All current memories in one string."""
    return "\n".join(m.text for m in memory.get_all(user_id=user_id))


def where_i_live(memory: MemLoRAMemory) -> str:
    """The changed fact, asked for."""
    return memory.answer("Where do I live now?", user_id="ana").text


def test_changed_fact_supersedes_old(open_memory: Open) -> None:
    memory = open_memory()
    events = tell(memory)
    current = texts(memory)
    assert "vet" in current
    assert "Kiko" in current
    assert "Madrid" in current
    assert "thanks" not in current.lower()
    assert Event.UPDATE in events
    update = next(op for op in memory.history(user_id="ana") if op.event is Event.UPDATE)
    assert "Lisbon" in (update.before or "")
    assert "Madrid" in (update.after or "")


@pytest.mark.slow
def test_new_fact_outranks_old_turn(open_memory: Open) -> None:
    memory = open_memory()
    tell(memory)
    hits = memory.search("Where does the user live?", user_id="ana")
    places = [place for hit in hits for place in ("Madrid", "Lisbon") if place in hit.text]
    assert places[0] == "Madrid"
    answer = where_i_live(memory)
    assert "Madrid" in answer
    assert "Lisbon" not in answer


def test_relative_date_is_resolved(open_memory: Open) -> None:
    memory = open_memory()
    tell(memory)
    answer = memory.answer("When did I adopt my second parrot?", user_id="ana")
    assert "5 March 2024" in answer.text


def test_unknown_answer_for_missing_fact(open_memory: Open) -> None:
    memory = open_memory()
    tell(memory)
    assert not memory.answer("What is my shoe size?", user_id="ana").known
    assert not memory.answer("Where do I live?", user_id="somebody else").known


def test_deleted_memory_hides_its_turn(open_memory: Open) -> None:
    memory = open_memory()
    tell(memory)
    parrot = next(m for m in memory.get_all(user_id="ana") if "Kiko" in m.text)
    memory.delete(parrot.id, user_id="ana")
    assert not any("Kiko" in hit.text for hit in memory.search("parrot Kiko", user_id="ana", k=20))
    memory.restore(parrot.id, user_id="ana")
    assert any("Kiko" in hit.text for hit in memory.search("parrot Kiko", user_id="ana", k=20))


def test_forget_request_deletes(open_memory: Open) -> None:
    memory = open_memory()
    memory.add("My girlfriend is called Robin.", user_id="ana", observed_at=on("2024-05-01"))
    assert "girlfriend" in texts(memory)
    request = "Please forget what I said about Robin, I shouldn't have told you that."
    memory.add(request, user_id="ana", observed_at=on("2024-05-02"))
    assert "girlfriend" not in texts(memory)
    assert not any("girlfriend" in hit.text for hit in memory.search("Robin", user_id="ana", k=20))


def test_replayed_conversation_changes_nothing(open_memory: Open) -> None:
    memory = open_memory()
    tell(memory)
    before = memory.get_all(user_id="ana")
    assert tell(memory) == []
    assert memory.get_all(user_id="ana") == before


def test_memory_survives_a_restart(open_memory: Open) -> None:
    memory = open_memory()
    tell(memory)
    memory.close()
    assert "Madrid" in where_i_live(open_memory())


@pytest.mark.slow
async def test_async_matches_sync(open_memory: Open) -> None:
    sync, twin = open_memory(folder="sync"), open_memory(folder="async")
    tell(sync)
    for day, turns in HISTORY:
        await twin.aadd([{"role": r, "content": c} for r, c in turns], user_id="ana", observed_at=on(day))
    assert texts(twin) == texts(sync)


@pytest.mark.slow
def test_disabled_extraction_chooses_wrongly(open_memory: Open) -> None:
    memory = open_memory(Role.EXTRACTION)
    for day, turns in HISTORY:
        memory.add([{"role": r, "content": c} for r, c in turns], user_id="ana", observed_at=on(day))
    current = texts(memory)
    kept = "vet" in current and "Kiko" in current and "Madrid" in current
    assert not (kept and "thanks" not in current.lower())


@pytest.mark.slow
def test_disabled_update_keeps_old_fact(open_memory: Open) -> None:
    memory = open_memory(Role.MEMORY_UPDATE)
    tell(memory)
    moved = [
        op
        for op in memory.history(user_id="ana")
        if op.event is Event.UPDATE and "Lisbon" in (op.before or "") and "Madrid" in (op.after or "")
    ]
    assert not moved


@pytest.mark.slow
def test_disabled_generation_fails_answers(open_memory: Open) -> None:
    memory = open_memory(Role.GENERATION)
    tell(memory)
    asked = ["Where do I live now?", "When did I adopt my second parrot?", "What is my shoe size?"]
    answers = [memory.answer(question, user_id="ana") for question in asked]
    right = "Madrid" in answers[0].text, "5 March 2024" in answers[1].text, not answers[2].known
    assert not all(right)
