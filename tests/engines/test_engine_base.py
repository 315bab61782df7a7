"""Tests of the base class `Engine` with its worker, merged batches and separate errors."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from langchain_memlora.engines import Completion, Engine, Request
from langchain_memlora.errors import EngineError, InvalidInputError


class Echo(Engine):
    """Returns the prompt in capitals, can be paused, and fails on demand."""

    def __init__(self, *, load_error: Exception | None = None) -> None:
        self.batches: list[list[str]] = []
        self.threads: set[str] = set()
        self.loads = self.releases = 0
        self.load_error = load_error
        self.started, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def load(self) -> None:
        self.loads += 1
        if self.load_error:
            raise self.load_error

    def release(self) -> None:
        self.releases += 1

    def compute(self, requests: Sequence[Request]) -> list[Completion]:
        self.started.set()
        assert self.go_on.wait(10)
        self.threads.add(threading.current_thread().name)
        self.batches.append([request.prompt for request in requests])
        if any(request.prompt == "bad" for request in requests):
            msg = "no such thing"
            raise ValueError(msg)
        if any(request.prompt == "odd" for request in requests):
            msg = "Pass something else."
            raise InvalidInputError(msg)
        return [Completion(request.prompt.upper()) for request in requests if request.prompt != "lost"]


def ask(*prompts: str) -> list[Request]:
    return [Request(None, prompt) for prompt in prompts]


def texts(completions: list[Completion]) -> list[str]:
    return [completion.text for completion in completions]


@pytest.fixture
def engine() -> Echo:
    return Echo()


def hold(engine: Echo) -> None:
    """Keep the worker busy with one job until `go_on` is set."""
    engine.go_on.clear()
    engine.submit(ask("first"))
    assert engine.started.wait(10)


def test_waiting_jobs_merge_in_order(engine: Echo) -> None:
    with engine:
        hold(engine)
        futures = [engine.submit(ask(*job)) for job in (["a", "b"], [], ["c"], ["d", "e", "f"])]
        engine.go_on.set()
        assert [texts(future.result(10)) for future in futures] == [["A", "B"], [], ["C"], ["D", "E", "F"]]
    assert engine.batches == [["first"], ["a", "b", "c", "d", "e", "f"]]


def test_one_worker_serves_all_callers(engine: Echo) -> None:
    with engine, ThreadPoolExecutor(8) as pool:
        jobs = [[f"{i}-{j}" for j in range(3)] for i in range(40)]
        assert list(pool.map(lambda job: texts(engine.run(ask(*job))), jobs)) == jobs
    assert engine.threads == {"memlora-engine"}
    assert (engine.loads, engine.releases) == (1, 1)


def test_model_loads_on_first_use(engine: Echo) -> None:
    assert engine.loads == 0
    engine.warm()
    assert engine.loads == 1
    assert engine.batches == []
    engine.close()


def test_error_reaches_only_its_caller(engine: Echo) -> None:
    with engine:
        hold(engine)
        futures = [engine.submit(ask(*job)) for job in (["a"], ["b", "bad"], ["c"], ["odd"])]
        engine.go_on.set()
        assert texts(futures[0].result(10)) == ["A"]
        with pytest.raises(
            EngineError, match=r"Echo failed: ValueError: no such thing\. Run `memlora doctor`"
        ) as caught:
            futures[1].result(10)
        assert isinstance(caught.value.__cause__, ValueError)
        assert texts(futures[2].result(10)) == ["C"]
        with pytest.raises(InvalidInputError, match=r"Pass something else\.$"):
            futures[3].result(10)
        assert texts(engine.run(ask("still here"))) == ["STILL HERE"]


def test_load_error_is_raised_and_retried() -> None:
    engine = Echo(load_error=OSError("disk on fire"))
    with engine:
        with pytest.raises(EngineError, match="OSError: disk on fire"):
            engine.run(ask("a"))
        engine.load_error = None
        assert texts(engine.run(ask("a"))) == ["A"]
    assert engine.loads == 2


def test_wrong_completion_count_raises(engine: Echo) -> None:
    with engine, pytest.raises(EngineError, match=r"Echo\.compute returned 1 completions for 2 requests"):
        engine.run(ask("a", "lost"))


def test_close_finishes_queued_jobs(engine: Echo) -> None:
    hold(engine)
    future = engine.submit(ask("last"))
    closing = threading.Thread(target=engine.close)
    closing.start()
    engine.go_on.set()
    closing.join(10)
    assert texts(future.result(0)) == ["LAST"]
    assert engine.releases == 1
    engine.close()
    with pytest.raises(EngineError, match="This Echo was closed; make a new one"):
        engine.submit(ask("too late"))


def test_close_before_use_loads_nothing(engine: Echo) -> None:
    engine.close()
    assert (engine.loads, engine.releases) == (0, 0)
    with pytest.raises(EngineError, match="was closed"), engine:
        engine.warm()
