"""Tests of the ledger as a record of turns, memories, operations and jobs."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter

import pytest
from support import ANA, BEN, MAY_8, MAY_15, add, change, get_memory, no_jobs, one_job, say, texts, turn

from langchain_memlora.errors import ConflictError, NotFoundError
from langchain_memlora.ledger import AlreadyDoneError, Ledger, NewOperation, new_id
from langchain_memlora.types import Event, MemoryState, Scope, Span

AGENT, RUN = Scope("ana", "coach"), Scope("ana", None, "monday")


# -- turns and jobs


def test_message_is_appended_once(ledger: Ledger) -> None:
    given = [turn("tea", "1"), turn("milk", "2"), turn("tea", "1")]
    assert len(ledger.append(ANA, given, no_jobs)[0]) == 2
    assert ledger.append(ANA, given, one_job) == ([], [])
    assert len(ledger.append(ANA, [turn("tea", "1", thread_id="other")], no_jobs)[0]) == 1
    assert len(ledger.append(AGENT, [turn("tea", "1")], no_jobs)[0]) == 1
    assert len(ledger.append(BEN, [turn("tea", "1")], no_jobs)[0]) == 1
    assert [t.text for t in ledger.all_turns(ANA)] == ["tea", "milk", "tea", "tea"]


def test_turn_round_trip(ledger: Ledger) -> None:
    given = turn("tea\x00é", "1", speaker="Ana", images=("sha256:1",), metadata={"a": [1, None]}, observed_from="clock")
    stored = ledger.append(ANA, [given], no_jobs)[0][0]
    assert ledger.turns([stored.id, "nobody"]) == {stored.id: stored}
    assert stored.text == given.text
    assert stored.metadata == given.metadata
    assert stored.images == given.images


def test_threads_have_separate_context(ledger: Ledger) -> None:
    ledger.append(ANA, [turn("a1", thread_id="a")], one_job)
    ledger.append(ANA, [turn("b1", thread_id="b")], one_job)
    new, jobs = ledger.append(ANA, [turn("a2", thread_id="a")], one_job)
    context = ledger.turns(jobs[0].context)
    assert [t.text for t in context.values()] == ["a1"]
    assert ledger.previous_turns([new[0].id])[new[0].id].text == "a1"


def test_turns_and_jobs_commit_together(ledger: Ledger) -> None:
    def broken(new: object, before: object) -> list:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        ledger.append(ANA, [turn("tea")], broken)
    assert ledger.all_turns(ANA) == []
    assert ledger.jobs("pending") == []
    _, jobs = ledger.append(ANA, [turn("tea")], one_job)
    assert ledger.jobs("pending") == jobs


def test_job_fails_after_attempts_and_reopens(ledger: Ledger) -> None:
    job = ledger.append(ANA, [turn("tea")], one_job)[1][0]
    ledger.fail_job(job.id, "unread", "b", attempts_allowed=2)
    assert [(j.status, j.attempts, j.error) for j in ledger.jobs("pending")] == [("pending", 1, "unread")]
    ledger.fail_job(job.id, "unread", "b", attempts_allowed=2)
    assert [j.attempts for j in ledger.jobs("failed")] == [2]
    ledger.reopen_jobs([job.id])
    assert [(j.status, j.attempts) for j in ledger.jobs("pending", "failed")] == [("pending", 0)]


# -- commit


def test_stale_commit_writes_nothing(ledger: Ledger) -> None:
    job = ledger.append(ANA, [turn("tea")], one_job)[1][0]
    seen = ledger.revision(ANA)
    add(ledger, "likes tea")
    with pytest.raises(ConflictError):
        ledger.commit(ANA, [NewOperation(Event.ADD, new_id(), "likes milk")], expected=seen, done=[job.id])
    assert texts(ledger.memories(ANA)) == ["likes tea"]
    assert len(ledger.jobs("pending")) == 1
    assert len(ledger.history(ANA)) == 1


def test_job_finishes_once(ledger: Ledger) -> None:
    job = ledger.append(ANA, [turn("tea")], one_job)[1][0]
    ledger.commit(ANA, [NewOperation(Event.ADD, new_id(), "likes tea")], done=[job.id])
    with pytest.raises(AlreadyDoneError) as error:
        ledger.commit(ANA, [NewOperation(Event.ADD, new_id(), "likes tea")], done=[job.id])
    assert error.value.job_id == job.id
    assert texts(ledger.memories(ANA)) == ["likes tea"]


def test_invalid_change_rolls_back_commit(ledger: Ledger) -> None:
    with pytest.raises(NotFoundError):
        ledger.commit(ANA, [NewOperation(Event.ADD, new_id(), "likes tea"), NewOperation(Event.UPDATE, "nothing", "x")])
    assert ledger.memories(ANA) == []
    assert ledger.history(ANA) == []
    assert ledger.revision(ANA) == 0


# -- history, evidence, tombstones


def test_history_has_before_and_after(ledger: Ledger) -> None:
    key = add(ledger, "in Porto")
    change(ledger, Event.UPDATE, key, "in Berlin")
    change(ledger, Event.NONE, key)
    change(ledger, Event.DELETE, key)
    ledger.restore(ANA, key)
    assert [(op.event, op.before, op.after) for op in ledger.history(ANA, key)] == [
        ("ADD", None, "in Porto"),
        ("UPDATE", "in Porto", "in Berlin"),
        ("NONE", "in Berlin", "in Berlin"),
        ("DELETE", "in Berlin", None),
        ("ADD", None, "in Berlin"),
    ]


def test_none_adds_evidence_update_replaces_it(ledger: Ledger) -> None:
    first, again, later = say(ledger, "a"), say(ledger, "b"), say(ledger, "c", at=MAY_15)
    key = add(ledger, "in Porto", told_by=first)
    change(ledger, Event.NONE, key, told_by=again)
    assert get_memory(ledger, key).turn_ids == (first.id, again.id)
    change(ledger, Event.UPDATE, key, "in Berlin", told_by=later)
    assert get_memory(ledger, key).turn_ids == (later.id,)
    assert get_memory(ledger, key).observed_at == MAY_15
    status = ledger.turn_status([first.id, again.id, later.id, "nobody"])
    assert [status[t.id].replaced_by for t in (first, again, later)] == [key, key, None]
    assert status[later.id].memory_ids == (key,)
    assert "nobody" not in status


def test_deleted_memory_withholds_its_turns(ledger: Ledger) -> None:
    told = say(ledger, "a")
    key = add(ledger, "in Porto", told_by=told)
    change(ledger, Event.DELETE, key)
    assert ledger.memories(ANA) == []
    assert [m.state for m in ledger.memories(ANA, deleted=True)] == [MemoryState.DELETED]
    assert ledger.turn_status([told.id])[told.id].withheld
    ledger.restore(ANA, key)
    assert texts(ledger.memories(ANA)) == ["in Porto"]
    assert not ledger.turn_status([told.id])[told.id].withheld


@pytest.mark.parametrize("event", [Event.UPDATE, Event.DELETE, Event.NONE])
def test_deleted_memory_cannot_change(ledger: Ledger, event: Event) -> None:
    key = add(ledger, "in Porto")
    change(ledger, Event.DELETE, key)
    with pytest.raises(NotFoundError):
        change(ledger, event, key, "in Berlin")
    assert texts(ledger.memories(ANA, deleted=True)) == ["in Porto"]
    assert len(ledger.history(ANA, key)) == 2


def test_concurrent_delete_all_deletes_once(ledger: Ledger) -> None:
    keys = [add(ledger, f"fact {number}", scope) for number in range(20) for scope in (ANA, AGENT)]

    def delete_one_by_one() -> None:
        for key in reversed(keys):
            with contextlib.suppress(NotFoundError):
                change(ledger, Event.DELETE, key, scope=AGENT if key in keys[1::2] else ANA)

    other = threading.Thread(target=delete_one_by_one)
    other.start()
    ledger.delete_all(ANA)
    other.join()
    assert ledger.memories(ANA) == []
    assert Counter(op.memory_id for op in ledger.history(ANA) if op.event is Event.DELETE) == Counter(keys)


def test_restore_undoes_updates_in_order(ledger: Ledger) -> None:
    first, later = say(ledger, "a"), say(ledger, "b", at=MAY_15)
    key = add(ledger, "in Porto", told_by=first)
    change(ledger, Event.UPDATE, key, "in Berlin", told_by=later)
    change(ledger, Event.UPDATE, key, "in Rome")
    assert ledger.restore(ANA, key).after == "in Berlin"
    assert get_memory(ledger, key).turn_ids == (later.id,)
    assert ledger.restore(ANA, key).after == "in Porto"
    assert (get_memory(ledger, key).turn_ids, get_memory(ledger, key).observed_at) == ((first.id,), MAY_8)
    assert later.id not in ledger.turn_status([later.id])
    with pytest.raises(NotFoundError, match=r"nothing to undo"):
        ledger.restore(ANA, key)
    with pytest.raises(NotFoundError):
        ledger.restore(BEN, key)


def test_source_follows_the_text(ledger: Ledger) -> None:
    question = Span(0, 4, "How tall are you?")
    first, again, later = (
        say(ledger, "1.88"),
        say(ledger, "1.88, as I said"),
        say(ledger, "1.90, measured today", at=MAY_15),
    )
    key = add(ledger, 'User: "1.88"', told_by=first, form="said", said=question)
    change(ledger, Event.NONE, key, told_by=again, form="said", said=Span(0, 4))
    assert source(ledger, key) == ("said", question, (first.id, again.id))
    change(ledger, Event.UPDATE, key, "User is 1.90 tall", told_by=later, form="written", said=Span(0, 4))
    assert source(ledger, key) == ("written", Span(0, 4), (later.id,))
    change(ledger, Event.UPDATE, key, "User is tall", by="update")
    assert source(ledger, key) == ("given", None, ())
    change(ledger, Event.DELETE, key)
    assert [op.form for op in ledger.history(ANA, key)] == ["said", "said", "written", "given", "given"]
    expected = [("given", None, ()), ("written", Span(0, 4), (later.id,)), ("said", question, (first.id, again.id))]
    for before in expected:
        assert ledger.restore(ANA, key).form == before[0]
        assert source(ledger, key) == before


def test_turn_that_set_the_text_is_first(ledger: Ledger) -> None:
    early, late = say(ledger, "Porto, yes"), say(ledger, "I live in Porto")
    key = add(ledger, "in Porto", told_by=late, said=Span(0, 15))
    change(ledger, Event.NONE, key, told_by=early)  # its job failed at first
    assert get_memory(ledger, key).turn_ids == (late.id, early.id)


def source(ledger: Ledger, key: str) -> tuple[object, ...]:
    memory = get_memory(ledger, key)
    return memory.form, memory.said, memory.turn_ids


def test_restore_handles_repeated_texts(ledger: Ledger) -> None:
    key = add(ledger, "A")
    change(ledger, Event.UPDATE, key, "X")
    change(ledger, Event.UPDATE, key, "Y")
    change(ledger, Event.UPDATE, key, "X")
    assert [ledger.restore(ANA, key).after for _ in range(3)] == ["Y", "X", "A"]


def test_turn_supports_fact_and_update(ledger: Ledger) -> None:
    told = say(ledger, "I lived in Porto, now I live in Berlin")
    key = add(ledger, "in Porto", told_by=told)
    change(ledger, Event.UPDATE, key, "in Berlin", told_by=told)
    assert get_memory(ledger, key).turn_ids == (told.id,)
    assert ledger.turn_status([told.id])[told.id].replaced_by is None
    ledger.restore(ANA, key)
    assert get_memory(ledger, key).turn_ids == (told.id,)


# -- scopes


def test_reads_cover_scope_and_user(ledger: Ledger) -> None:
    for scope in (ANA, AGENT, RUN, Scope("ana", "chef"), BEN):
        add(ledger, f"{scope.user_id}/{scope.agent_id}/{scope.run_id}", scope)
    assert len(ledger.memories(ANA)) == 4
    assert texts(ledger.memories(AGENT)) == ["ana/None/None", "ana/coach/None", "ana/None/monday"]
    assert texts(ledger.memories(Scope("ana", "coach", "tuesday"))) == ["ana/None/None", "ana/coach/None"]
    assert texts(ledger.memories(BEN)) == ["ben/None/None"]
    assert len(ledger.history(AGENT)) == 3


@pytest.mark.parametrize("event", [Event.UPDATE, Event.DELETE, Event.NONE])
@pytest.mark.parametrize("writer", [AGENT, RUN, BEN])
def test_writes_stay_in_own_scope(ledger: Ledger, event: Event, writer: Scope) -> None:
    key = add(ledger, "in Porto")
    with pytest.raises(NotFoundError):
        change(ledger, event, key, "in Berlin", writer)
    assert texts(ledger.memories(ANA)) == ["in Porto"]


def test_vectors_are_cached_by_embedder(ledger: Ledger) -> None:
    ledger.cache_vectors("one", {"tea": [0.5, 1.0]})
    ledger.cache_vectors("one", {"tea": [9.0, 9.0], "\ud800": [1.0, 0.0]})
    assert ledger.cached_vectors("one", ["tea", "milk"]) == {"tea": [0.5, 1.0]}
    assert ledger.cached_vectors("one", ["\ud800"]) == {"\ud800": [1.0, 0.0]}
    assert ledger.cached_vectors("two", ["tea"]) == {}
