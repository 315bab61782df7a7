"""Tests of the remember graph, node by node."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from support import ANA, MAY_8, MAY_15, add, judge, pair, tell, texts, turn

from langchain_memlora import MemLoRAMemory, Services, build_remember_graph
from langchain_memlora.bundles import Bundle
from langchain_memlora.errors import ConflictError, EngineError
from langchain_memlora.graph.commit import make_commit
from langchain_memlora.graph.state import PendingFact, RememberState
from langchain_memlora.types import Decision, Event, Fact, Scope

Make = Callable[..., MemLoRAMemory]


def events(operations: Any) -> list[str]:
    return [operation.event.value for operation in operations]


def contents(memory: MemLoRAMemory) -> list[str]:
    return texts(memory.get_all(user_id="ana"))


def test_nodes_report_in_order(memory: MemLoRAMemory) -> None:
    graph = build_remember_graph(memory.services).compile()
    stream = list(graph.stream({"scope": ANA, "turns": [turn("I live in Porto")]}, stream_mode="custom"))
    assert [event["node"] for event in stream] == ["record", "extract", "match", "update", "commit"]
    assert [t.text for t in stream[0]["turns"]] == ["I live in Porto"]
    assert [fact.text for fact in stream[1]["facts"]] == ["User live in Porto"]
    assert events(stream[4]["operations"]) == ["ADD"]
    assert all(event["usage"].seconds >= 0 for event in stream[1:])


def test_assistant_turn_stops_after_record(memory: MemLoRAMemory) -> None:
    graph = build_remember_graph(memory.services).compile()
    stream = list(graph.stream({"scope": ANA, "turns": [turn("Hi!", role="assistant")]}, stream_mode="custom"))
    assert [event["node"] for event in stream] == ["record"]


def test_window_groups_loop(memory: MemLoRAMemory) -> None:
    services = dataclasses.replace(memory.services, group=1)
    said = [turn(f"I like thing{i}", str(i)) for i in range(9)]
    stream = list(build_remember_graph(services).compile().stream({"scope": ANA, "turns": said}, stream_mode="custom"))
    assert [event["node"] for event in stream] == ["record", *["extract", "match", "update", "commit"] * 3]
    assert len(contents(memory)) == 9


# -- deciding


def test_later_groups_match_earlier_facts(memory: MemLoRAMemory) -> None:
    result = memory.add(["I live in Porto", "I live in Berlin", "I live in Berlin"], user_id="ana")
    assert events(result.operations) == ["ADD", "UPDATE", "NONE"]
    assert contents(memory) == ["User live in Berlin"]
    assert [(op.before, op.after) for op in result.operations][1] == ("User live in Porto", "User live in Berlin")


def test_forget_request_within_one_add(memory: MemLoRAMemory) -> None:
    result = memory.add(["I live in Porto", "forget I live in Porto"], user_id="ana")
    assert events(result.operations) == ["ADD", "DELETE"]
    assert contents(memory) == []
    assert memory.search("Porto", user_id="ana") == []


def test_facts_after_forget_request_are_kept(memory: MemLoRAMemory) -> None:
    said = ["I live in Porto", "forget I live in Porto", "I live in Berlin"]
    result = memory.add(said, user_id="ana")
    assert events(result.operations) == ["ADD", "DELETE", "ADD"]
    assert contents(memory) == ["User live in Berlin"]


def test_repeated_fact_skips_update_expert(memory: MemLoRAMemory) -> None:
    for again in ("I ran yesterday", "I RAN yesterday"):
        result = memory.add(again, user_id="ana", observed_at=MAY_8, thread_id=again)
    assert events(result.operations) == ["NONE"]
    assert [call.role for call in memory.engine.calls] == ["extraction", "extraction"]  # type: ignore[attr-defined]
    assert len(memory.get_all(user_id="ana")[0].turn_ids) == 2
    result = memory.add("I ran yesterday", user_id="ana", observed_at=MAY_15)
    assert events(result.operations) == ["ADD"]
    assert len(contents(memory)) == 2


def test_message_metadata_filters_memories(memory: MemLoRAMemory) -> None:
    memory.add("I like tea", user_id="ana", metadata={"where": "work"})
    memory.add("I like tea cake", user_id="ana", metadata={"where": "home"}, agent_id="coach")
    hits = memory.search("tea", user_id="ana", filters={"where": "work"})
    assert {hit.text for hit in hits if hit.memory} == {"User like tea"}


# -- competing


def compete(make_memory: Make, scope: Scope, times: int) -> tuple[MemLoRAMemory, list[str]]:
    """A memory whose update expert lets others change the scope while it thinks."""
    asked: list[str] = []

    def judge_slowly(prompt: str) -> str:
        asked.append(prompt)
        if len(asked) <= times:
            add(memory.ledger, f"competitor {len(asked)}", scope)
        return judge(prompt)

    memory = make_memory(memory_update=judge_slowly)
    add(memory.ledger, "User live in Porto", observed_at=MAY_8)
    return memory, asked


def test_conflict_repeats_from_match(make_memory: Make) -> None:
    memory, asked = compete(make_memory, ANA, 1)
    graph = build_remember_graph(memory.services).compile()
    stream = list(graph.stream({"scope": ANA, "turns": [turn("I live in Berlin")]}, stream_mode="custom"))
    round_trip = ["match", "update", "commit"]
    assert [event["node"] for event in stream] == ["record", "extract", *round_trip, *round_trip]
    assert stream[4]["conflict"] == 1
    assert [pair(prompt)[0] for prompt in asked] == ["User live in Porto", "competitor 1"]  # each pair once
    assert sorted(contents(memory)) == ["User live in Berlin", "competitor 1"]


def test_many_conflicts_converge(make_memory: Make) -> None:
    memory, asked = compete(make_memory, ANA, 9)
    assert events(memory.add("I live in Berlin", user_id="ana").operations) == ["UPDATE"]
    assert len(asked) == len(set(asked)) > 5  # nothing is asked twice


def test_endless_conflicts_raise_until_retry(make_memory: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("langchain_memlora.graph.commit.CONFLICTS", 3)
    memory, asked = compete(make_memory, ANA, 3)
    with pytest.raises(ConflictError, match="Decide again"):
        memory.add("I live in Berlin", user_id="ana")
    assert "User live in Berlin" not in contents(memory)
    assert len(memory.ledger.jobs("pending")) == 1
    assert len(memory.ledger.all_turns(ANA)) == 1
    asked += ["quiet"] * 3
    assert events(memory.retry().operations) == ["UPDATE"]
    assert "User live in Berlin" in contents(memory)
    assert memory.ledger.jobs("pending") == []


def test_other_scopes_do_not_conflict(make_memory: Make) -> None:
    memory, asked = compete(make_memory, Scope("ana", "coach"), 3)
    assert events(memory.add("I live in Berlin", user_id="ana").operations) == ["UPDATE"]
    assert len(asked) == 1


def test_job_finished_elsewhere_is_dropped(make_memory: Make) -> None:
    def finish_first(prompt: str) -> str:
        jobs = memory.ledger.jobs("pending")
        memory.ledger.commit(ANA, [], done=[job.id for job in jobs])
        return judge(prompt)

    memory = make_memory(memory_update=finish_first)
    add(memory.ledger, "User live in Porto", observed_at=MAY_8)
    result = memory.add("I live in Berlin", user_id="ana")
    assert result.operations == ()
    assert contents(memory) == ["User live in Porto"]


# -- languages

GERMAN = "I heisse Lena und wohne seit dem letzten Sommer mit meiner Schwester in Leipzig."


@pytest.mark.parametrize(("languages", "read"), [(("en",), False), (("de",), True), ((), True)])
def test_only_languages_on_the_card_are_read(
    make_memory: Make, bundle: Bundle, languages: tuple[str, ...], read: bool
) -> None:
    card = bundle.card.model_copy(update={"languages": languages})
    memory = make_memory(experts=dataclasses.replace(bundle, card=card))
    result = memory.add(GERMAN, user_id="ana")
    assert (result.unread, bool(contents(memory))) == (() if read else result.turn_ids, read)
    assert memory.search("Leipzig", user_id="ana")


# -- failing


def test_unreadable_window_waits_for_retry(make_memory: Make) -> None:
    spoken = ["what?", "", "1 live in Porto"]
    memory = make_memory(extraction=spoken)
    result = memory.add("I live in Porto", user_id="ana")
    assert (result.status, len(result.turn_ids), contents(memory)) == ("failed", 1, [])
    (failure,) = result.errors
    assert (failure.kind, failure.attempts, failure.raw) == ("ExpertOutputError", 1, "what?")
    assert [job.attempts for job in memory.ledger.jobs("pending")] == [1]
    assert memory.search("Porto", user_id="ana")[0].text == "I live in Porto"  # the turn is kept
    assert memory.retry().errors[0].attempts == 2
    assert memory.retry().status == "ok"
    assert contents(memory) == ["User live in Porto"]
    assert memory.retry().operations == ()


def test_job_fails_after_two_attempts(make_memory: Make) -> None:
    make_memory(extraction=["what?"]).add("I live in Porto", user_id="ana")
    memory = make_memory(extraction=["what?", "none", "1 live in Porto"])
    memory.add("hm", user_id="ana")
    assert [job.attempts for job in memory.ledger.jobs("failed")] == [2]
    make_memory(extraction=["none"]).add("hm 2", user_id="ana")  # a failed job is not tried by itself
    assert contents(memory) == []
    memory.retry()
    assert contents(memory) == ["User live in Porto"]


def test_partly_readable_window_keeps_facts(make_memory: Make) -> None:
    result = make_memory(extraction=["1 live in Porto\n9 nonsense"]).add("I live in Porto", user_id="ana")
    assert (result.status, events(result.operations), len(result.errors)) == ("partial", ["ADD"], 1)


@pytest.mark.parametrize("backend", ["memory", "chroma"])
def test_next_open_finishes_pending_jobs(make_memory: Make) -> None:
    broken = make_memory(memory_update=[])
    broken.add("I live in Porto", user_id="ana")
    with pytest.raises(EngineError):
        broken.add("I live in Berlin", user_id="ana")
    broken.close()
    again = make_memory()
    assert contents(again) == ["User live in Porto"]
    again.flush()
    assert contents(again) == ["User live in Berlin"]
    assert [op.event for op in again.history(user_id="ana")] == [Event.ADD, Event.UPDATE]
    again.close()
    last = make_memory()
    last.flush()
    assert len(last.history(user_id="ana")) == 2


def test_failing_pending_job_blocks_nothing(make_memory: Make) -> None:
    with pytest.raises(EngineError):
        make_memory(extraction=[]).add("I live in Porto", user_id="ana")

    def not_porto(prompt: str) -> str:
        if "Porto" in prompt:
            raise RuntimeError("out of memory")
        return tell(prompt)

    memory = make_memory(extraction=not_porto)
    assert memory.add("I like tea", user_id="ben").status == "ok"
    assert texts(memory.get_all(user_id="ben")) == ["User like tea"]
    assert len(memory.ledger.jobs("pending")) == 1


def test_retraction_of_undecided_fact(make_memory: Make) -> None:
    """Only a dialect that writes its updates can leave a fact undecided; what builds on it then does nothing."""
    memory = make_memory()
    jobs = [memory.ledger.append(ANA, [turn(text)], lambda n, b: [(b, n)])[1][0] for text in ("tea", "forget tea")]
    reads = [
        PendingFact(Fact("tea", jobs[0].turns[0], MAY_8), jobs[0].id, "new-1"),
        PendingFact(Fact("tea", jobs[1].turns[0], MAY_8, retracts=True), jobs[1].id, "new-2"),
    ]
    state = {
        "scope": ANA,
        "working": jobs,
        "facts": reads,
        "revision": 0,
        "conflicts": 0,
        "operations": [],
        "usage": [],
    }
    state |= {"decisions": [None, Decision(Event.DELETE, reads[1].fact, "new-1")], "finished": 0}
    graph = StateGraph(RememberState)
    graph.add_node("commit", make_commit(memory.services))
    graph.add_edge(START, "commit")
    out = graph.compile().invoke(state)
    assert events(out["operations"]) == ["NONE"]
    assert contents(memory) == []


# -- inside other graphs


class Outer(TypedDict, total=False):
    text: str
    answer: str


def test_callers_checkpointer_stays_empty(memory: MemLoRAMemory) -> None:
    def remember(state: Outer) -> Outer:
        out = memory.graph.invoke({"scope": ANA, "turns": [turn("I own a zebrafish")], "question": "What do I own?"})
        assert out["operations"]
        assert "zebrafish" in out["answer"]
        return {"answer": "done"}

    saver = InMemorySaver()
    graph = StateGraph(Outer)
    graph.add_node("remember", remember)
    graph.add_edge(START, "remember")
    graph.add_edge("remember", END)
    config = {"configurable": {"thread_id": "t"}}
    graph.compile(checkpointer=saver).invoke({"text": "hi"}, config)
    kept = list(saver.list(None))
    assert kept
    assert {c.config["configurable"]["checkpoint_ns"] for c in kept} == {""}
    assert "zebrafish" not in repr(kept) + repr(dict(saver.storage)) + repr(dict(saver.blobs)) + repr(
        dict(saver.writes)
    )


def test_services_can_be_replaced(memory: MemLoRAMemory) -> None:
    services = dataclasses.replace(memory.services, sources=("user", "assistant"))
    assert isinstance(services, Services)
    out = (
        build_remember_graph(services).compile().invoke({"scope": ANA, "turns": [turn("I am a bot", role="assistant")]})
    )
    assert [op.after for op in out["operations"]] == ["Assistant am a bot"]
