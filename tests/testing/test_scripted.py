"""The scripted engine."""

import subprocess
import sys
import threading

import pytest

from langchain_memlora.bundles import Role
from langchain_memlora.engines import Request
from langchain_memlora.errors import EngineError
from langchain_memlora.testing import ScriptedEngine

LABELS = ("ADD", "NONE", "UPDATE", "DELETE")


def test_scripted_texts_are_used_in_order() -> None:
    requests = [
        Request("extraction", "one two three"),
        Request("generation", "?"),
        Request(Role.EXTRACTION, "again"),
    ]
    with ScriptedEngine(extraction=["1 lives in Berlin", "none"], generation=["Berlin"]) as engine:
        completions = engine.run(requests)
    assert [c.text for c in completions] == ["1 lives in Berlin", "Berlin", "none"]
    assert [c.adapter for c in completions] == ["extraction", "generation", "extraction"]
    assert (completions[0].prompt_tokens, completions[0].completion_tokens) == (3, 4)
    assert all(c.finished and c.probabilities == () for c in completions)
    assert engine.calls == requests


def test_callable_receives_prompt() -> None:
    with ScriptedEngine(generation=str.upper) as engine:
        assert engine.run([Request("generation", "berlin")])[0].text == "BERLIN"


def test_scripted_choice_gets_most_probability() -> None:
    with ScriptedEngine(memory_update=["UPDATE"]) as engine:
        completion = engine.run([Request("memory_update", "?", choices=LABELS)])[0]
    assert completion.text == "UPDATE"
    assert completion.probabilities == pytest.approx((0.01, 0.01, 0.97, 0.01))
    assert completion.completion_tokens == 1


def test_single_choice_is_certain() -> None:
    with ScriptedEngine(memory_update=["ADD"]) as engine:
        assert engine.run([Request("memory_update", "?", choices=("ADD",))])[0].probabilities == (1.0,)


def test_probabilities_can_be_scripted() -> None:
    with ScriptedEngine(memory_update=lambda prompt: {"NONE": 3, "DELETE": 1}) as engine:
        completion = engine.run([Request("memory_update", "?", choices=LABELS)])[0]
    assert completion.text == "NONE"
    assert completion.probabilities == (0.0, 0.75, 0.0, 0.25)


def test_exhausted_script_raises() -> None:
    with ScriptedEngine(extraction=["none"]) as engine:
        engine.run([Request("extraction", "a")])
        with pytest.raises(EngineError, match=r"All 1 scripted answers of extraction are used up.*Script more"):
            engine.run([Request("extraction", "b")])
        with pytest.raises(EngineError, match="All 0 scripted answers of generation"):
            engine.run([Request("generation", "b")])


def test_failed_call_uses_no_script() -> None:
    entered, go_on = threading.Event(), threading.Event()

    def wait(prompt: str) -> str:
        entered.set()
        assert go_on.wait(10)
        return prompt

    with ScriptedEngine(extraction=["a", "b"], generation=wait) as engine:
        held = engine.submit([Request("generation", "held")])
        assert entered.wait(10)
        futures = [engine.submit([Request(role, "x")]) for role in ("extraction", "memory_update", "extraction")]
        go_on.set()
        assert held.result(10)[0].text == "held"
        assert [futures[0].result(10)[0].text, futures[2].result(10)[0].text] == ["a", "b"]
        with pytest.raises(EngineError, match="memory_update"):
            futures[1].result(10)
    assert [request.role for request in engine.calls] == ["generation", "extraction", "extraction"]


@pytest.mark.parametrize(
    ("answer", "choices"), [("MAYBE", LABELS), ({"MAYBE": 1.0}, LABELS), ({"ADD": 0.0}, LABELS), ({"ADD": 1.0}, ())]
)
def test_answer_outside_choices_raises(answer: str | dict[str, float], choices: tuple[str, ...]) -> None:
    with (
        ScriptedEngine(memory_update=[answer]) as engine,
        pytest.raises(EngineError, match=r"memory_update was scripted to answer .* Correct the script"),
    ):
        engine.run([Request("memory_update", "?", choices=choices)])


def test_base_model_cannot_be_scripted() -> None:
    with (
        ScriptedEngine(extraction=["none"]) as engine,
        pytest.raises(EngineError, match="role None, but only extraction, memory_update, generation, vision"),
    ):
        engine.run([Request(None, "?")])


def test_scripted_engine_needs_no_torch() -> None:
    code = "import sys, langchain_memlora.testing as t; t.ScriptedEngine(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
