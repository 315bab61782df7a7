"""Tests that uncertain experts never delete or overwrite."""

from __future__ import annotations

import dataclasses

import pytest
from support import ANA, MAY_8

from langchain_memlora.bundles import Bundle, Role
from langchain_memlora.errors import ExpertOutputError, VisionNotConfiguredError
from langchain_memlora.experts import Experts, UpdateQuestion
from langchain_memlora.testing import ScriptedEngine
from langchain_memlora.types import Decision, Event, Fact, Memory

OLD = Memory("m", "Ana lives in Porto", ANA, MAY_8, MAY_8, MAY_8)
NEWS = Fact("Ana lives in Berlin", "t", MAY_8)
RETRACTION = Fact("Ana lives in Porto", "t", MAY_8, retracts=True)


def decide(bundle: Bundle, fact: Fact, chances: dict[str, float]) -> Decision:
    with ScriptedEngine(memory_update=[chances]) as engine:
        answers, usage, _ = Experts(bundle, engine).decide([UpdateQuestion(fact, (OLD,))])
    assert usage.calls == 1
    assert isinstance(answers[0], Decision)
    return answers[0]


@pytest.mark.parametrize(
    ("fact", "chances", "event", "target"),
    [
        (NEWS, {"UPDATE": 0.9, "ADD": 0.1}, Event.UPDATE, "m"),
        (NEWS, {"UPDATE": 0.48, "ADD": 0.42, "DELETE": 0.1}, Event.ADD, None),
        (NEWS, {"DELETE": 0.9, "ADD": 0.1}, Event.UPDATE, "m"),
        (NEWS, {"DELETE": 0.48, "ADD": 0.32, "NONE": 0.2}, Event.ADD, None),
        (NEWS, {"NONE": 0.8, "ADD": 0.2}, Event.NONE, "m"),
        (NEWS, {"NONE": 0.48, "ADD": 0.42, "UPDATE": 0.1}, Event.ADD, None),
        (RETRACTION, {"DELETE": 0.9, "ADD": 0.1}, Event.DELETE, "m"),
        (RETRACTION, {"DELETE": 0.48, "ADD": 0.32, "NONE": 0.2}, Event.NONE, None),
        (RETRACTION, {"ADD": 1.0}, Event.NONE, None),
        (RETRACTION, {"UPDATE": 1.0}, Event.NONE, None),
    ],
)
def test_decide_is_cautious(
    bundle: Bundle, fact: Fact, chances: dict[str, float], event: Event, target: str | None
) -> None:
    chosen = decide(bundle, fact, chances)
    assert (chosen.event, chosen.target) == (event, target)
    assert chosen.probability == pytest.approx(max(chances.values()), abs=1e-3)


def test_update_without_candidates_skips_engine(bundle: Bundle) -> None:
    with ScriptedEngine() as engine:
        answers, usage, _ = Experts(bundle, engine).decide([UpdateQuestion(NEWS, ()), UpdateQuestion(RETRACTION, ())])
    assert [answer.event for answer in answers if isinstance(answer, Decision)] == [Event.ADD, Event.NONE]
    assert usage.calls == 0
    assert engine.calls == []


def test_unreadable_update_keeps_other_decisions(bundle: Bundle) -> None:
    spoken = ["nonsense", '{"memory": [{"id": "0", "event": "NONE"}]}']
    card = bundle.card.model_copy(update={"dialect": "json"})
    with ScriptedEngine(memory_update=spoken) as engine:
        experts = Experts(dataclasses.replace(bundle, card=card), engine)
        answers, _, _ = experts.decide([UpdateQuestion(NEWS, (OLD,)), UpdateQuestion(NEWS, (OLD,))])
    assert isinstance(answers[0], ExpertOutputError)
    assert isinstance(answers[1], Decision)
    assert answers[1].event is Event.NONE


def test_role_without_adapter_uses_base(bundle: Bundle) -> None:
    seen: list[str | None] = []

    class Engine(ScriptedEngine):
        def compute(self, requests):  # type: ignore[no-untyped-def]
            seen.extend(request.role for request in requests)
            return super().compute([dataclasses.replace(r, role="generation") for r in requests])

    with Engine(generation=[" Berlin ", "Berlin"]) as engine:
        assert Experts(bundle, engine).answer("Where?", "notes")[0] == "Berlin"
        Experts(bundle.without(Role.GENERATION), engine).answer("Where?", "notes")
    assert seen == ["generation", None]


def test_images_require_vision_expert(bundle: Bundle) -> None:
    with ScriptedEngine() as engine, pytest.raises(VisionNotConfiguredError, match=r"1 image.*captioner="):
        Experts(bundle, engine).caption([b"x"])
