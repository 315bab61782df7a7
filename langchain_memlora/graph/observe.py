"""Observability of nodes: a log record and an OpenTelemetry span for each run, with counts and times, never with text.

The span needs `opentelemetry-api` (the extra `otel`), and is dropped unless the application sets up an exporter. The record
is logged at DEBUG; its fields are in `record.memlora`, for formatters that write JSON.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from langchain_memlora.graph.state import InT, Node, OutT

COUNTED = ("stored", "jobs", "facts", "questions", "hits")
GROWING = ("operations", "failures")
_log = logging.getLogger("langchain_memlora.graph")


class Span(Protocol):
    """The part of an OpenTelemetry span that is used."""

    def set_attribute(self, key: str, value: Any) -> None: ...


def observed(name: str, node: Node[InT, OutT]) -> Node[InT, OutT]:
    """Return the same node with a span and a log record around each run."""

    @functools.wraps(node)  # also passes on the annotations, from which LangGraph knows what the node reads
    def run(state: InT) -> OutT:
        start = time.perf_counter()
        fields: dict[str, Any] = {"node": name}
        with _span(f"memlora.{name}") as span:
            try:
                out = node(state)
                fields |= _counts(state, out)
                return out
            except BaseException as error:
                fields["error"] = type(error).__name__  # not its message, which may quote what was said
                raise
            finally:
                fields["seconds"] = round(time.perf_counter() - start, 4)
                for key, value in fields.items():
                    span.set_attribute(f"memlora.{key}", value)
                line = " ".join(f"{key}={value}" for key, value in fields.items())
                _log.debug("%s", line, extra={"memlora": fields})

    return run


def _counts(state: Mapping[str, Any], out: Mapping[str, Any]) -> dict[str, int]:
    """Return the sizes of what a node wrote, and its calls and tokens."""
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
        yield _NoSpan()
        return
    tracer = trace.get_tracer("langchain_memlora")
    with tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False) as span:
        yield span


class _NoSpan:
    """A span that drops everything, for use without OpenTelemetry."""

    def set_attribute(self, key: str, value: Any) -> None:
        """Do nothing."""
