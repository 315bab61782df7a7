"""What an engine is: something that completes prompts for a role.

An implementer writes one method, `compute`. Everything else is derived: one worker thread owns the model and drains a
queue, so that callers on any thread or event loop never touch the model themselves (two threads on one PEFT model
swap each other's adapters silently), and whatever waits in the queue is computed as one batch.
"""

from __future__ import annotations

import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from langchain_memlora.errors import EngineError, MemLoRAError


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt for one role.

    Attributes:
        role: The adapter to use; `None` for the base model.
        prompt: The text of one user message.
        max_tokens: Stop after this many tokens at the latest.
        choices: If given, nothing is written: the engine returns the probability of each choice as the
            continuation. Choices are told apart by their first token.
    """

    role: str | None
    prompt: str
    max_tokens: int = 128
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back for one request.

    Attributes:
        text: The text without the end mark; the most probable choice where choices were given.
        probabilities: One for each choice, summing to 1.
        finished: `False` if the text was cut at `max_tokens`.
        seconds: This request's share of its batch.
    """

    text: str
    probabilities: tuple[float, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    adapter: str | None = None
    finished: bool = True


class Engine(ABC):
    """Turns prompts into text for a role. Subclasses implement `compute`.

    Example:
        ```python
        from langchain_memlora.engines import Completion, Engine, Request

        class Shouting(Engine):
            def compute(self, requests):
                return [Completion(request.prompt.upper()) for request in requests]

        with Shouting() as engine:
            assert engine.run([Request(None, "hi")])[0].text == "HI"
        ```
    """

    _lock = threading.Lock()
    _worker: threading.Thread | None = None
    _closed = False

    @abstractmethod
    def compute(self, requests: Sequence[Request]) -> list[Completion]:
        """Complete all requests, in order. Only ever called by the engine's own worker thread."""

    def load(self) -> None:
        """Load what `compute` needs. Called once by the worker before the first request; may do nothing."""

    def release(self) -> None:
        """Let go of what `load` took."""

    def run(self, requests: Sequence[Request]) -> list[Completion]:
        """Complete requests and wait for them.

        Raises:
            EngineError: The computation failed or the engine was closed.
        """
        return self.submit(requests).result()

    def warm(self) -> None:
        """Load the model now rather than at the first request."""
        self.submit([]).result()

    def submit(self, requests: Sequence[Request]) -> Future[list[Completion]]:
        """Queue requests and return at once with a future of their completions."""
        future: Future[list[Completion]] = Future()
        with self._lock:
            if self._closed:
                msg = f"This {type(self).__name__} was closed; make a new one."
                raise EngineError(msg)
            if self._worker is None:
                self._queue: queue.SimpleQueue[tuple[Sequence[Request], Future[list[Completion]]] | None]
                self._queue = queue.SimpleQueue()
                self._worker = threading.Thread(target=self._work, name="memlora-engine", daemon=True)
                self._worker.start()
            self._queue.put((tuple(requests), future))
        return future

    def close(self) -> None:
        """Finish what is queued and stop the worker. Closing twice is fine."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            worker = self._worker
            if worker:
                self._queue.put(None)
        if worker:
            worker.join()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _work(self) -> None:
        loaded = False
        while True:
            waiting, last = self._drain()
            jobs = [job for job in waiting if job[1].set_running_or_notify_cancel()]
            try:
                if jobs and not loaded:
                    self.load()
                    loaded = True
            except BaseException as error:
                for _, future in jobs:
                    future.set_exception(_explained(self, error))
                jobs = []
            try:
                self._finish(jobs)
            except BaseException as error:
                self._fail(jobs, error)
            if last:
                self.release()
                return

    def _fail(self, jobs: Sequence[tuple[Sequence[Request], Future[list[Completion]]]], error: BaseException) -> None:
        """Tell callers, but let nobody pay for another caller's request: merged jobs are tried again one by one."""
        if len(jobs) == 1:
            jobs[0][1].set_exception(_explained(self, error))
            return
        for job in jobs:
            try:
                self._finish([job])
            except BaseException as own:
                self._fail([job], own)

    def _drain(self) -> tuple[list[tuple[Sequence[Request], Future[list[Completion]]]], bool]:
        """Wait for one job, then take whatever else is waiting."""
        jobs = []
        item = self._queue.get()
        while item is not None:
            jobs.append(item)
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return jobs, False
        return jobs, True

    def _finish(self, jobs: Sequence[tuple[Sequence[Request], Future[list[Completion]]]]) -> None:
        everything = [request for requests, _ in jobs for request in requests]
        completions = self.compute(everything) if everything else []
        if len(completions) != len(everything):
            msg = (
                f"{type(self).__name__}.compute returned {len(completions)} completions for {len(everything)} requests."
            )
            raise EngineError(msg)
        done = 0
        for requests, future in jobs:
            future.set_result(completions[done : done + len(requests)])
            done += len(requests)


def _explained(engine: Engine, error: BaseException) -> BaseException:
    if isinstance(error, MemLoRAError):
        return error
    wrapped = EngineError(f"{type(engine).__name__} failed: {type(error).__name__}: {error}. Run `memlora doctor`.")
    wrapped.__cause__ = error
    return wrapped
