"""The interface of an engine, which completes prompts for a role.

An implementer writes one method, `compute`, and a second, `write`, if the engine is to chat. Everything else is derived:
one worker thread owns the model and drains a queue, so that callers on any thread or event loop never touch the model
themselves (two threads on one PEFT model swap each other's adapters silently). All prompts waiting in the queue are
computed as one batch; chats are replied to one at a time, with prompts that arrive meanwhile computed in between.
"""

from __future__ import annotations

import os
import queue
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, Self

from langchain_memlora.engines.chat import ChatRequest, ChunkCallback
from langchain_memlora.errors import EngineError, ForkedError, MemLoRAError
from langchain_memlora.tokens import tokens_at_most


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt for one role.

    Attributes:
        role: The adapter to use; `None` for the base model.
        prompt: The text of one user message.
        max_tokens: Stop after this many tokens at the latest.
        choices: If given, nothing is written: the engine returns the probability of each choice as the
            continuation. Choices are distinguished by their first token.
        images: Pictures before the prompt, as the bytes of files; only vision-language models take them.
    """

    role: str | None
    prompt: str
    max_tokens: int = 128
    choices: tuple[str, ...] = ()
    images: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Completion:
    """The result of one request.

    Attributes:
        text: The text without the end token, or the most probable choice.
        probabilities: One for each choice, summing to 1.
        prompt_tokens: Length of the whole prompt, whatever it was computed with.
        finished: `False` if the text was cut at `max_tokens` or the callback stopped it.
        seconds: This request's share of its batch.
        shared_tokens: The part of `prompt_tokens` that was computed with another request, which begins alike.
    """

    text: str
    probabilities: tuple[float, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    adapter: str | None = None
    finished: bool = True
    shared_tokens: int = 0


class _Job(NamedTuple):
    requests: Sequence[Request]
    future: Future[list[Completion]]


class _Chat(NamedTuple):
    request: ChatRequest
    on_chunk: ChunkCallback
    future: Future[Completion]


class Counter(Protocol):
    """Counts tokens as a model reads them."""

    @property
    def limit(self) -> int | None: ...

    def count(self, text: str) -> int: ...


class Engine(ABC):
    """Completes prompts for a role. Subclasses implement `compute`.

    Attributes:
        counter: Counts the tokens of its model; without one, they are estimated.

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

    counter: Counter | None = None
    _lock = threading.Lock()
    _worker: threading.Thread | None = None
    _worker_pid = 0
    _closed = False

    @abstractmethod
    def compute(self, requests: Sequence[Request]) -> list[Completion]:
        """Complete all requests, in order. Only ever called by the engine's own worker thread."""

    def write(self, request: ChatRequest, on_chunk: ChunkCallback) -> Completion:
        """Reply to a chat. Only ever called by the engine's own worker thread.

        Args:
            on_chunk: To be called after every token with the new text, which may be empty; stop if it returns
                `False`. `StopFilter` cuts the text into chunks and applies stop words.

        Raises:
            EngineError: This engine can't chat.
        """
        msg = f"{type(self).__name__} can't chat. Use an engine that can, for instance TransformersEngine."
        raise EngineError(msg)

    def load(self) -> None:
        """Load what `compute` needs. Called once by the worker before the first request; may do nothing."""

    def release(self) -> None:
        """Release what `load` loaded."""

    @property
    def limit(self) -> int | None:
        """The number of tokens that a prompt and its completion may have together; `None` if it is not known."""
        return self.counter.limit if self.counter else None

    def count(self, text: str) -> int:
        """Return the number of tokens of a text, as this engine's model reads it; without a counter, an estimate.

        May be called by any thread, before the model is loaded.
        """
        return self.counter.count(text) if self.counter else tokens_at_most(text)

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
        job = _Job(tuple(requests), Future())
        self._put(job)
        return job.future

    def submit_chat(self, request: ChatRequest, on_chunk: ChunkCallback = lambda chunk: True) -> Future[Completion]:
        """Queue a chat and return at once with a future of the whole reply.

        Args:
            on_chunk: Called on the worker thread with each chunk of the reply; returning `False` stops it. It must not
                block.

        The future can be cancelled until the worker takes it.
        """
        job = _Chat(request, on_chunk, Future())
        self._put(job)
        return job.future

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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _put(self, job: _Job | _Chat) -> None:
        if self._worker and self._worker_pid != os.getpid():  # the child has no worker thread, so it would wait forever
            raise ForkedError.of("This " + type(self).__name__, self._worker_pid)
        with self._lock:
            if self._closed:
                msg = f"This {type(self).__name__} was closed; make a new one."
                raise EngineError(msg)
            if self._worker is None:
                self._queue: queue.SimpleQueue[_Job | _Chat | None] = queue.SimpleQueue()
                self._worker_pid = os.getpid()
                self._worker = threading.Thread(target=self._work, name="memlora-engine", daemon=True)
                self._worker.start()
            self._queue.put(job)

    def _work(self) -> None:
        loaded = last = False
        chats: deque[_Chat] = deque()
        while chats or not last:
            waiting, last = self._drain(wait=not chats) if not last else ([], True)
            chats += [job for job in waiting if isinstance(job, _Chat)]
            jobs = [job for job in waiting if isinstance(job, _Job) and job.future.set_running_or_notify_cancel()]
            chat = chats.popleft() if chats else None
            if chat and not chat.future.set_running_or_notify_cancel():
                chat = None
            try:
                if (jobs or chat) and not loaded:
                    self.load()
                    loaded = True
            except BaseException as error:
                futures: list[Future[Any]] = [job.future for job in jobs]
                for future in [*futures, *([chat.future] if chat else [])]:
                    future.set_exception(_explained(self, error))
                continue
            try:
                self._finish(jobs)
            except BaseException as error:
                self._fail(jobs, error)
            if chat:
                self._reply(chat)
        self.release()

    def _fail(self, jobs: Sequence[_Job], error: BaseException) -> None:
        """Pass an error on to its caller only: merged jobs are tried again one by one."""
        if len(jobs) == 1:
            jobs[0].future.set_exception(_explained(self, error))
            return
        for job in jobs:
            try:
                self._finish([job])
            except BaseException as own:
                self._fail([job], own)

    def _reply(self, chat: _Chat) -> None:
        try:
            completion = self.write(chat.request, chat.on_chunk)
        except BaseException as error:
            chat.future.set_exception(_explained(self, error))
        else:
            chat.future.set_result(completion)

    def _drain(self, *, wait: bool) -> tuple[list[_Job | _Chat], bool]:
        """Take all waiting jobs, with `wait` at least one; the flag says that the engine was closed after them."""
        jobs: list[_Job | _Chat] = []
        try:
            item = self._queue.get(block=wait)
            while item is not None:
                jobs.append(item)
                item = self._queue.get_nowait()
        except queue.Empty:
            return jobs, False
        return jobs, True

    def _finish(self, jobs: Sequence[_Job]) -> None:
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
