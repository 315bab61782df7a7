"""Tests of the respond graph, which retrieves and then answers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support import ANA, BEN, MAY_8, turn

from langchain_memlora import MemLoRAMemory, build_memory_graph, build_respond_graph
from langchain_memlora.errors import EngineError

Make = Callable[..., MemLoRAMemory]


def test_nodes_report_in_order(make_memory: Make) -> None:
    memory = make_memory(generation=["Porto"])
    memory.add("I live in Porto", user_id="ana", observed_at=MAY_8)
    graph = build_respond_graph(memory.services).compile()
    stream = list(graph.stream({"scope": ANA, "question": "Where do I live?"}, stream_mode="custom"))
    assert [event["node"] for event in stream] == ["retrieve", "answer"]
    assert sorted(stream[0]["context"].splitlines()) == ["- User live in Porto", "8 May 2024", "user: I live in Porto"]
    assert stream[1]["answer"] == "Porto"
    assert stream[1]["usage"].calls == 1


def test_answer_reads_only_own_scope(make_memory: Make) -> None:
    memory = make_memory()
    memory.add("I live in Porto", user_id="ana")
    memory.add("I live in Berlin", user_id="ben")
    out = memory.graph.invoke({"scope": BEN, "question": "Where do I live?"})
    assert "Berlin" in out["answer"]
    assert "Porto" not in out["answer"] + out["context"]
    assert out["answer"].endswith("Question: Where do I live?")


def test_k_and_budget_limit_context(memory: MemLoRAMemory) -> None:
    memory.add([f"I like tea number {i}" for i in range(6)], user_id="ana")
    assert len(memory.answer("tea", user_id="ana", k=2).hits) == 2
    assert memory.answer("tea", user_id="ana", budget=1).context.count("tea") == 1
    assert all(hit.memory is None for hit in memory.answer("tea", user_id="ana", include="turns").hits)


@pytest.mark.parametrize(("said", "known"), [("Porto", True), ("unknown", False), (" Unknown. ", False), ("", False)])
def test_known_is_false_for_unknown_answers(make_memory: Make, said: str, known: bool) -> None:
    answer = make_memory(generation=[said]).answer("Where do I live?", user_id="ana")
    assert (answer.known, answer.text, answer.context) == (known, said.strip(), "(no notes)")


def test_remember_and_respond_in_one_run(make_memory: Make) -> None:
    memory = make_memory(generation=["Porto"])
    state = {"scope": ANA, "turns": [turn("I live in Porto")], "question": "Where do I live?"}
    nodes = [e["node"] for _, e in memory.graph.stream(state, stream_mode="custom", subgraphs=True)]
    assert nodes == ["record", "extract", "match", "update", "commit", "retrieve", "answer"]


def test_drawn_graph_shows_both_halves(memory: MemLoRAMemory) -> None:
    graph = build_memory_graph(memory.services, checkpointer=None).compile()
    picture = graph.get_graph(xray=True).draw_mermaid()
    assert all(
        name in picture
        for name in (
            "remember",
            "respond",
            "record",
            "caption",
            "answer_from_image",
            "extract",
            "match",
            "update",
            "answer",
        )
    )


def test_failing_engine_raises_engine_error(make_memory: Make) -> None:
    with pytest.raises(EngineError):
        make_memory(generation=[]).answer("Where?", user_id="ana")
