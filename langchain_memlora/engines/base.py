"""What an engine is: something that completes prompts for a role.

An implementer writes one method, `compute`, and a second, `write`, if the engine is to chat. Everything else is derived:
one worker thread owns the model and drains a queue, so that callers on any thread or event loop never touch the model
themselves (two threads on one PEFT model swap each other's adapters silently). Whatever prompts wait in the queue are
computed as one batch; chats are replied to one at a time, with what came in meanwhile computed in between.
"""

from __future__ import annotations

import queue
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import NamedTuple

from langchain_memlora.engines.chat import ChatRequest, Say
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
        images: Pictures that stand before the prompt, as the bytes of files; only models that see can be asked.
    """

    role: str | None
    prompt: str
    max_tokens: int = 128
    choices: tuple[str, ...] = ()
    images: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back for one request.

    Attributes:
        text: The text without the end mark; the most probable choice where choices were given.
        probabilities: One for each choice, summing to 1.
        finished: `False` if the text was cut at `max_tokens` or nobody listened any more.
        seconds: This request's share of its batch.
    """

    text: str
    probabilities: tuple[float, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    adapter: str | None = None
    finished: bool = True


class _Job(NamedTuple):
    requests: Sequence[Request]
    future: Future[list[Completion]]


class _Chat(NamedTuple):
    request: ChatRequest
    say: Say
    future: Future[Completion]


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

    def write(self, request: ChatRequest, say: Say) -> Completion:
        """Reply to a chat. Only ever called by the engine's own worker thread.

        Args:
            say: To be called after every token with the text that is new, which may be empty; stop when it answers
                `False`. `Ending` cuts the text into pieces and heeds stop words.

        Raises:
            EngineError: This engine can't chat.
        """
        msg = f"{type(self).__name__} can't chat. Use an engine that can, for instance TransformersEngine."
        raise EngineError(msg)

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
        job = _Job(tuple(requests), Future())
        self._put(job)
        return job.future

    def submit_chat(self, request: ChatRequest, say: Say = lambda piece: True) -> Future[Completion]:
        """Queue a chat and return at once with a future of the whole reply.

        Args:
            say: Called on the worker thread with each piece of the reply; answering `False` stops it. It must not block.

        Cancelling the future works until the worker comes to it.
        """
        job = _Chat(request, say, Future())
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

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _put(self, job: _Job | _Chat) -> None:
        with self._lock:
            if self._closed:
                msg = f"This {type(self).__name__} was closed; make a new one."
                raise EngineError(msg)
            if self._worker is None:
                self._queue: queue.SimpleQueue[_Job | _Chat | None] = queue.SimpleQueue()
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
                for job in [*jobs, *([chat] if chat else [])]:
                    job.future.set_exception(_explained(self, error))
                continue
            try:
                self._finish(jobs)
            except BaseException as error:
                self._fail(jobs, error)
            if chat:
                self._reply(chat)
        self.release()

    def _fail(self, jobs: Sequence[_Job], error: BaseException) -> None:
        """Tell callers, but let nobody pay for another caller's request: merged jobs are tried again one by one."""
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
            completion = self.write(chat.request, chat.say)
        except BaseException as error:
            chat.future.set_exception(_explained(self, error))
        else:
            chat.future.set_result(completion)

    def _drain(self, *, wait: bool) -> tuple[list[_Job | _Chat], bool]:
        """Take whatever is waiting, and if need be wait for it; the flag says that nothing comes after it."""
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
