"""What a node did, for whoever runs it: a log record and an OpenTelemetry span, with counts and times, never with text.

The span needs `opentelemetry-api` (the extra `otel`), and goes nowhere until the application sets up an exporter. The
record is logged at DEBUG; its fields are in `record.memlora`, for formatters that write JSON.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from langchain_memlora.graph.state import Node

COUNTED = ("stored", "jobs", "facts", "questions", "hits")
GROWING = ("operations", "failures")
_log = logging.getLogger("langchain_memlora.graph")


class Span(Protocol):
    """What is used of an OpenTelemetry span."""

    def set_attribute(self, key: str, value: Any) -> None: ...


def observed(name: str, node: Node) -> Node:
    """The same node, with a span and a log record around each run of it."""

    @functools.wraps(node)
    def watched(state: Any) -> dict[str, Any]:
        start = time.perf_counter()
        facts: dict[str, Any] = {"node": name}
        with _span(f"memlora.{name}") as span:
            try:
                out = node(state)
                facts |= _counts(state, out)
                return out
            except BaseException as error:
                facts["error"] = type(error).__name__  # not its message, which may quote what was said
                raise
            finally:
                facts["seconds"] = round(time.perf_counter() - start, 4)
                for key, value in facts.items():
                    span.set_attribute(f"memlora.{key}", value)
                _log.debug("%s", " ".join(f"{key}={value}" for key, value in facts.items()), extra={"memlora": facts})

    return watched


def _counts(state: Mapping[str, Any], out: Mapping[str, Any]) -> dict[str, int]:
    """How many of everything, and what the model was asked to do."""
    counts = {key: len(out[key]) for key in COUNTED if key in out}
    counts |= {key: len(out[key]) - len(state.get(key) or ()) for key in GROWING if key in out}
    usage = out.get("usage")
    if usage and len(usage) > len(state.get("usage") or ()):
        last = usage[-1]
        counts |= {"calls": last.calls, "tokens_in": last.prompt_tokens, "tokens_out": last.completion_tokens}
    return counts


@contextmanager
def _span(name: str) -> Iterator[Span]:
    try:
        from opentelemetry import trace
    except ImportError:
        yield _Nothing()
        return
    tracer = trace.get_tracer("langchain_memlora")
    with tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False) as span:
        yield span


class _Nothing:
    """Stands in for a span where there is no OpenTelemetry."""

    def set_attribute(self, key: str, value: Any) -> None:
        """Forget it."""
