"""Runs one engine in a process of its own, so that load time and memory are its own, and measures it."""

from __future__ import annotations

import importlib
import importlib.util
import resource
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

from langchain_memlora.bundles import load_bundle
from langchain_memlora.engines.base import Engine, Request

ENGINES: dict[str, tuple[str, str, dict[str, object]]] = {
    "transformers, float32": ("langchain_memlora.engines.transformers", "TransformersEngine", {"dtype": "float32"}),
    "transformers, auto": ("langchain_memlora.engines.transformers", "TransformersEngine", {}),
    "openvino, int8": ("langchain_memlora.engines.openvino", "OpenVINOEngine", {}),
}
"""By name: module, class and options."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Cost of a call.

    Attributes:
        seconds: By the clock.
        cpu: Seconds of processor time, of all threads; steadier than the clock on a machine that does other things.
    """

    seconds: float
    cpu: float
    read: int
    written: int


def work(name: str, threads: int, pipe: Connection) -> None:
    """Load an engine, send the cost of loading, then run the requests that come through the pipe until `None` comes."""
    before = megabytes()
    clock, cpu = time.perf_counter(), time.process_time()
    engine = make(name, threads)
    engine.warm()
    pipe.send((Measured(time.perf_counter() - clock, time.process_time() - cpu, 0, 0), megabytes() - before))
    while (requests := pipe.recv()) is not None:
        pipe.send(measure(engine, requests))
    pipe.send(megabytes() - before)
    engine.close()


def make(name: str, threads: int) -> Engine:
    """Return an engine that may use up to `threads` threads."""
    module, kind, options = ENGINES[name]
    if kind == "TransformersEngine":
        import torch

        torch.set_num_threads(threads)
    else:
        options = {**options, "threads": threads}
    return getattr(importlib.import_module(module), kind)(load_bundle(), **options)


def measure(engine: Engine, requests: list[Request]) -> Measured:
    """Measure running requests together."""
    clock, cpu = time.perf_counter(), time.process_time()
    found = engine.run(requests)
    seconds, used = time.perf_counter() - clock, time.process_time() - cpu
    return Measured(seconds, used, sum(c.prompt_tokens for c in found), sum(c.completion_tokens for c in found))


def megabytes() -> float:
    """Return the peak memory of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def installed(name: str) -> bool:
    """Return whether an engine's package is installed."""
    return importlib.util.find_spec("openvino") is not None or not name.startswith("openvino")
