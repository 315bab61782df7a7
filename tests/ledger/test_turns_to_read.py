"""Tests of the marks of turns that are to be read, on both databases."""

from __future__ import annotations

from support import ANA, MAY_8, MAY_15, add, change, one_job, say, turn

from langchain_memlora.ledger import Closed, Ledger, NewOperation, ReadingCounts
from langchain_memlora.types import Event, MemoryState


def test_job_marks_its_unread_turns(ledger: Ledger) -> None:
    (german, english), (job,) = ledger.append(ANA, [turn("Guten Tag"), turn("Good day")], one_job)
    ledger.commit(ANA, [], done=[job.id], unread=[german.id])
    assert ledger.reading.waiting() == {ANA: [german.id]}
    assert [ledger.turns([t.id])[t.id].unread for t in (german, english)] == ["language", ""]
    assert ledger.reading.counts() == ReadingCounts(1, 0, 0)
    ledger.commit(ANA, [], reread=[german.id])
    assert ledger.reading.waiting() == {}


def test_turns_behind_unproven_memories_are_read_in_order_of_time(ledger: Ledger) -> None:
    later, earlier = say(ledger, "tea", at=MAY_15), say(ledger, "coffee", at=MAY_8)
    tea, coffee = (add(ledger, t.text, told_by=t, form="unproven") for t in (later, earlier))
    add(ledger, "wine", told_by=say(ledger, "wine"), form="said")
    updated = add(ledger, "beer", told_by=say(ledger, "beer"), form="unproven")
    change(ledger, Event.UPDATE, updated, "ale", form="unproven", by="update")
    assert ledger.reading.counts() == ReadingCounts(0, 0, 2)
    ledger.reading.mark_again()
    assert ledger.reading.waiting() == {ANA: [earlier.id, later.id]}
    assert ledger.reading.replaceable([tea, coffee, updated]) == {tea, coffee}
    (withdrawn,) = ledger.commit(ANA, [], reread=[earlier.id])
    assert (withdrawn.event, withdrawn.memory_id, withdrawn.by) == (Event.DELETE, coffee, "reread")
    states = {memory.id: memory.state for memory in ledger.memories(ANA, deleted=True)}
    assert [states[key] for key in (coffee, tea, updated)] == [
        MemoryState.WITHDRAWN,
        MemoryState.ACTIVE,
        MemoryState.ACTIVE,
    ]
    assert ledger.turn_status([earlier.id]) == {}
    assert ledger.reading.counts() == ReadingCounts(0, 1, 1)


def test_turns_of_deleted_memories_are_left_out(ledger: Ledger) -> None:
    told, after = say(ledger, "tea and coffee"), say(ledger, "wine")
    tea, _ = (add(ledger, text, told_by=told, form="unproven") for text in ("tea", "coffee"))
    change(ledger, Event.DELETE, tea)
    ledger.reading.mark_again()
    assert ledger.reading.waiting() == {}
    assert ledger.reading.counts() == ReadingCounts(0, 0, 0)
    assert ledger.reading.before(after.id, 2) == []


def test_ended_texts_and_requests_are_closed(ledger: Ledger) -> None:
    porto, berlin, request = say(ledger, "Porto"), say(ledger, "Berlin", at=MAY_15), say(ledger, "forget", at=MAY_15)
    city = add(ledger, "lives in Porto", told_by=porto)
    change(ledger, Event.UPDATE, city, "lives in Berlin", told_by=berlin)
    dog, cat = add(ledger, "has a dog"), add(ledger, "has a cat")
    change(ledger, Event.DELETE, dog)
    change(ledger, Event.DELETE, cat)
    ledger.restore(ANA, cat)
    ledger.commit(ANA, [NewOperation(Event.NONE, None, fact="forget: the fish", turn_id=request.id)])
    closed = ledger.reading.closed(ANA)
    assert [(c.text, c.is_request) for c in closed] == [
        ("lives in Porto", False),
        ("has a dog", False),
        ("the fish", True),
    ]
    assert closed[0] == Closed("lives in Porto", MAY_15)
