"""Tests that logs and spans hold counts and no text of users."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from langchain_memlora import MemLoRAMemory
from langchain_memlora.errors import InvalidInputError, LedgerError
from langchain_memlora.graph import observe
from langchain_memlora.logs import SWITCH, loggable_error

Make = Callable[..., MemLoRAMemory]
SECRET = "zebrafish"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    yield kept
    provider.shutdown()


def use(memory: MemLoRAMemory) -> None:
    """Everything that logs: work that goes well, work that fails at once and in the background, and a reader."""
    memory.add(f"I own a {SECRET}", user_id=f"{SECRET}-owner")
    memory.add(f"I own a {SECRET} and a cat", user_id=f"{SECRET}-owner", background=True)
    memory.flush()
    memory.answer(f"What {SECRET}?", user_id=f"{SECRET}-owner")


def test_nodes_have_spans_with_counts(memory: MemLoRAMemory, spans: InMemorySpanExporter) -> None:
    memory.add(["I own a cat", "I own a dog"], user_id="ana")
    memory.answer("Which?", user_id="ana")
    found = {span.name: dict(span.attributes or {}) for span in spans.get_finished_spans()}
    assert list(found) == [
        f"memlora.{name}" for name in ("record", "extract", "match", "update", "commit", "retrieve", "answer")
    ]
    assert found["memlora.record"]["memlora.stored"] == 2
    assert found["memlora.extract"]["memlora.facts"] == found["memlora.commit"]["memlora.operations"] == 2
    assert found["memlora.extract"]["memlora.calls"] == 1
    assert all(attributes["memlora.seconds"] >= 0 for attributes in found.values())


def test_failed_span_hides_error_text(make_memory: Make, spans: InMemorySpanExporter) -> None:
    def failing(prompt: str) -> str:
        raise ValueError(prompt)

    memory = make_memory(extraction=failing)
    with pytest.raises(Exception, match=SECRET):
        memory.add(f"I own a {SECRET}", user_id="ana")
    failed = spans.get_finished_spans()[-1]
    assert failed.name == "memlora.extract"
    assert (failed.attributes or {})["memlora.error"]
    assert SECRET not in failed.to_json()


def test_logs_and_spans_hold_no_text(
    make_memory: Make, spans: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    use(make_memory())
    use(make_memory(extraction=lambda prompt: f"{SECRET}, {SECRET}!"))  # can't be read, and the errors quote it
    told = [record.memlora for record in caplog.records if hasattr(record, "memlora")]
    assert {entry["node"] for entry in told} >= {"record", "extract", "commit", "answer"}
    mine = [record for record in caplog.records if record.name.startswith("langchain_memlora")]
    assert SECRET not in "".join(f"{record.getMessage()} {vars(record)}" for record in mine)
    assert SECRET not in "".join(span.to_json() for span in spans.get_finished_spans())


def test_runs_without_opentelemetry(memory: MemLoRAMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry", None)
    with observe._span("memlora.test") as span:
        assert span.set_attribute("a", 1) is None
    assert memory.add("I own a cat", user_id="ana").status == "ok"


def test_reason_hides_quoted_text(monkeypatch: pytest.MonkeyPatch) -> None:
    quoting: list[Any] = [InvalidInputError(SECRET), ValueError(SECRET), RuntimeError(SECRET)]
    assert all(
        SECRET not in loggable_error(error) and type(error).__name__ in loggable_error(error) for error in quoting
    )
    assert "disk is full" in loggable_error(LedgerError("disk is full"))
    assert "no such host" in loggable_error(OSError("no such host"))
    monkeypatch.setenv(SWITCH, "1")
    assert all(SECRET in loggable_error(error) for error in quoting)
