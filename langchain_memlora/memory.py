"""`MemLoRAMemory`: the facade over graph, ledger, index and experts."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from langgraph.graph.state import CompiledStateGraph
from platformdirs import user_data_path

from langchain_memlora.engines.base import Engine
from langchain_memlora.engines.lazy import LazyEngine
from langchain_memlora.errors import ClosedError, ConflictError, EngineError, InvalidInputError, NotFoundError
from langchain_memlora.experts import DEFAULT_BUNDLE, Bundle, Experts, load_bundle
from langchain_memlora.graph import (
    Services,
    build_memory_graph,
    build_remember_graph,
    build_respond_graph,
    compile_quietly,
)
from langchain_memlora.graph.answer import is_known
from langchain_memlora.indexes import Index, VectorStoreIndex
from langchain_memlora.indexes.embeddings import CachedEmbeddings
from langchain_memlora.indexes.sync import DEFAULT, Synced, setting_of
from langchain_memlora.ledger import Change, Job, Ledger, new_id
from langchain_memlora.messages import check_name, check_text, to_scope, to_turns
from langchain_memlora.models import DEFAULT_EMBEDDER, default_embeddings, embedder_id
from langchain_memlora.retrieval import Include, Retriever
from langchain_memlora.types import AddResult, Answer, Event, Hit, Memory, Operation, Scope, Turn
from langchain_memlora.user_memory import UserMemory

P = ParamSpec("P")
R = TypeVar("R")
STEPS = 100_000
_log = logging.getLogger(__name__)


def _async(method: Callable[Concatenate[MemLoRAMemory, P], R]) -> Callable[Concatenate[MemLoRAMemory, P], Awaitable[R]]:
    """The async twin of a verb: the same code on the memory's own threads, so that no event loop waits for a model."""

    @functools.wraps(method)
    async def twin(self: MemLoRAMemory, *args: P.args, **kwargs: P.kwargs) -> R:
        self._check_open()
        call = functools.partial(method, self, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    twin.__name__ = twin.__qualname__ = f"a{method.__name__}"
    twin.__doc__ = f"Async twin of `{method.__name__}`."
    return twin


class MemLoRAMemory:
    """Long-term memory on this machine: one small model, one LoRA expert for each operation.

    Args:
        path: Folder of the ledger and the index. Default: `MEMLORA_HOME`, else the user's data folder.
        experts: A bundle, its name or its path.
        engine: What computes; default: transformers with the bundle's base model.
        index: A LangChain `VectorStore` (or an `Index`) in place of the embedded Chroma.
        ledger: A `Ledger` or the path of its file, if it should not lie in `path`.
        embeddings: A LangChain `Embeddings` in place of all-MiniLM-L6-v2.

    Raises:
        BundleError: The experts can't be loaded.
        LedgerError: The ledger can't be opened.

    Every verb has an async twin with an `a` in front. Models load at first use; `warm` loads them ahead.

    Example:
        ```python
        from langchain_memlora import MemLoRAMemory

        with MemLoRAMemory(path="/tmp/memlora-example") as memory:
            memory.add("I moved from Porto to Berlin last week.", user_id="ana")
            print(memory.answer("Where do I live?", user_id="ana").text)
        ```
    """

    def __init__(
        self,
        *,
        path: str | Path | None = None,
        experts: str | Path | Bundle = DEFAULT_BUNDLE,
        engine: Engine | None = None,
        index: VectorStore | Index | None = None,
        ledger: Ledger | str | Path | None = None,
        embeddings: Embeddings | None = None,
    ) -> None:
        home = os.environ.get("MEMLORA_HOME")
        self.path = Path(path or home or user_data_path("langchain-memlora")).expanduser()
        self.bundle = experts if isinstance(experts, Bundle) else load_bundle(experts)
        self.ledger = ledger if isinstance(ledger, Ledger) else Ledger(ledger or self.path / "ledger.sqlite3")
        self._owns = {"engine": engine is None, "ledger": not isinstance(ledger, Ledger)}
        self.engine = engine or _default_engine(self.bundle)
        self._given_index = index
        given = embeddings or (index.embeddings if isinstance(index, VectorStore) else None)
        name = embedder_id(given) if given else DEFAULT_EMBEDDER
        self.embeddings = CachedEmbeddings((lambda: given) if given else default_embeddings, name, self.ledger)
        self._opening = threading.Lock()
        self._synced: Synced | None = None
        self._threads = ThreadPoolExecutor(max_workers=16, thread_name_prefix="memlora")
        self._closed = False
        self._left_over: list[Job] = self.ledger.jobs("pending")
        services = Services(
            experts=Experts(self.bundle, self.engine),
            ledger=self.ledger,
            retriever=Retriever(self.ledger, self._index),
            index=self._index,
            embeddings=self.embeddings,
        )
        self.services = services
        self._remember = compile_quietly(build_remember_graph(services), "remember")
        self._respond = compile_quietly(build_respond_graph(services), "respond")

    # -- writing -------------------------------------------------------------------------------------------------

    def add(
        self,
        messages: Any,
        *,
        user_id: str,
        agent_id: str | None = None,
        run_id: str | None = None,
        observed_at: datetime | None = None,
        thread_id: str = "",
        metadata: Mapping[str, Any] | None = None,
        infer: bool = True,
    ) -> AddResult:
        """Store messages and remember what they tell.

        The messages are on disk before any model runs. Messages that were added before (same thread, same id) are
        skipped, so a whole conversation may be passed again.

        Args:
            messages: A string, a message or a list; see `messages.to_turns`.
            observed_at: When they were said; aware. Without it the clock's time is taken.
            thread_id: The conversation they belong to; context never crosses threads.
            infer: `False` keeps each user message as a memory word for word, without asking an expert.

        Raises:
            InvalidInputError: Something can't be used as given; nothing was stored.
            VisionNotConfiguredError: Images without a vision expert; nothing was stored.
            EngineError: The model failed. The messages are stored, and `retry` finishes the work.
        """
        start = time.perf_counter()
        self._check_open()
        scope = to_scope(user_id, agent_id, run_id)
        turns, skipped = to_turns(messages, scope, observed_at=observed_at, thread_id=thread_id, metadata=metadata)
        if not infer:
            return self._add_verbatim(scope, turns, skipped, start)
        self._finish_left_over()
        if not turns:
            return AddResult(skipped=skipped, seconds=time.perf_counter() - start)
        return self._run_remember({"scope": scope, "turns": turns}, skipped + len(turns), start)

    def update(self, memory_id: str, text: str, *, user_id: str) -> Operation:
        """Give a memory another text. The old one stays in its history.

        Raises:
            NotFoundError: This user has no such memory.
        """
        check_text(text, "text")
        memory = self.get(memory_id, user_id=user_id)
        return self._by_hand(memory.scope, Change(Event.UPDATE, memory_id, text.strip(), by="update"))

    def delete(self, memory_id: str, *, user_id: str) -> Operation:
        """Delete a memory; the turns that told it are withheld too. `restore` undoes it.

        Raises:
            NotFoundError: This user has no such memory.
        """
        memory = self.get(memory_id, user_id=user_id)
        return self._by_hand(memory.scope, Change(Event.DELETE, memory_id, by="delete"))

    def delete_all(self, *, user_id: str, agent_id: str | None = None, run_id: str | None = None) -> list[Operation]:
        """Delete all memories that a scope sees."""
        memories = self.get_all(user_id=user_id, agent_id=agent_id, run_id=run_id)
        return [self._by_hand(memory.scope, Change(Event.DELETE, memory.id, by="delete_all")) for memory in memories]

    def restore(self, memory_id: str, *, user_id: str) -> Operation:
        """Undo the last change to a memory: bring a deleted one back, or an updated one back to what it said.

        Raises:
            NotFoundError: This user has no such memory, or there is nothing to undo.
        """
        memory = self._find(memory_id, user_id, deleted=True)
        operation = self.ledger.restore(memory.scope, memory_id)
        self._index().catch_up()
        return operation

    def retry(self) -> AddResult:
        """Work off what could not be read or finished before, for all users."""
        start = time.perf_counter()
        self._check_open()
        waiting = self.ledger.jobs("failed", "pending")
        self.ledger.reopen_jobs(job.id for job in waiting)
        self._left_over = []
        results = [self._run_remember({"scope": s, "jobs": j}, 0, start) for s, j in _by_scope(waiting).items()]
        return AddResult(
            operations=tuple(op for result in results for op in result.operations),
            status=_status(sum(r.status != "failed" for r in results), any(r.errors for r in results)),
            errors=tuple(error for result in results for error in result.errors),
            usage=tuple(usage for result in results for usage in result.usage),
            seconds=time.perf_counter() - start,
        )

    def rebuild(self) -> int:
        """Write the vector index again from the ledger, also with another embedder; returns how many items it wrote.

        A store that held vectors of another embedder has to be emptied first.
        """
        self._check_open()
        self.ledger.forget_setting(setting_of(DEFAULT))
        return self._index().rebuild()

    def reset(self) -> None:
        """Erase everything of every user: ledger, history and vectors. This can't be undone."""
        self._check_open()
        index = self._index()
        index.index.write([], self.ledger.wipe())

    # -- reading -------------------------------------------------------------------------------------------------

    def search(
        self,
        query: str,
        *,
        user_id: str,
        agent_id: str | None = None,
        run_id: str | None = None,
        k: int = 5,
        include: Include = "both",
        filters: Mapping[str, Any] | None = None,
    ) -> list[Hit]:
        """Find memories and raw turns, best first.

        Args:
            k: At most this many hits.
            include: `both`, or only `memories` or `turns`.
            filters: Metadata that hits must have, by equality.
        """
        self._check_open()
        scope = to_scope(user_id, agent_id, run_id)
        check_text(query, "query")
        _check_choice(k, include, filters)
        return self.services.retriever.search(query, scope, k=k, include=include, filters=filters)

    def answer(
        self,
        question: str,
        *,
        user_id: str,
        agent_id: str | None = None,
        run_id: str | None = None,
        k: int = 5,
        budget: int = 250,
        include: Include = "both",
        filters: Mapping[str, Any] | None = None,
        images: Sequence[str] = (),
    ) -> Answer:
        """Answer a question from memory, in a few words; `known` is `False` if the memories do not tell.

        Args:
            k: How many hits the expert may read.
            budget: About how many tokens of them it may read.
        """
        start = time.perf_counter()
        self._check_open()
        check_text(question, "question")
        _check_choice(k, include, filters)
        state = {
            "scope": to_scope(user_id, agent_id, run_id),
            "question": question,
            "k": k,
            "budget": budget,
            "include": include,
            "filters": dict(filters) if filters else None,
            "images": images,
        }
        out = self._respond.invoke(state)
        return Answer(
            text=out["answer"],
            known=is_known(out["answer"]),
            hits=tuple(out["hits"]),
            context=out["context"],
            usage=tuple(out["usage"]),
            seconds=time.perf_counter() - start,
        )

    def get(self, memory_id: str, *, user_id: str) -> Memory:
        """One memory.

        Raises:
            NotFoundError: This user has no such memory (it may be deleted; see `history`).
        """
        return self._find(memory_id, user_id)

    def get_all(
        self, *, user_id: str, agent_id: str | None = None, run_id: str | None = None, deleted: bool = False
    ) -> list[Memory]:
        """All memories that a scope sees, oldest first; with `deleted`, tombstones too."""
        self._check_open()
        return self.ledger.memories(to_scope(user_id, agent_id, run_id), deleted=deleted)

    def history(self, memory_id: str | None = None, *, user_id: str) -> list[Operation]:
        """What happened to a memory, or to all of a user's, oldest first."""
        self._check_open()
        if memory_id is not None:
            check_name("memory_id", memory_id)
        return self.ledger.history(to_scope(user_id), memory_id)

    # -- the machine ---------------------------------------------------------------------------------------------

    @functools.cached_property
    def graph(self) -> CompiledStateGraph:
        """The compiled LangGraph graph that remembers and responds."""
        return compile_quietly(build_memory_graph(self.services), "memlora")

    def for_user(self, user_id: str, agent_id: str | None = None, run_id: str | None = None) -> UserMemory:
        """A view bound to one user, to hand to code that should not see others."""
        return UserMemory(self, to_scope(user_id, agent_id, run_id))

    def warm(self) -> None:
        """Load models and open the index now."""
        self._check_open()
        self._index().catch_up()
        self.embeddings.real.embed_query("warm")
        self.engine.warm()

    def close(self) -> None:
        """Stop the model's worker and close the stores. Closing twice is fine."""
        if self._closed:
            return
        self._closed = True
        if self._owns["engine"]:
            self.engine.close()
        self._threads.shutdown(wait=True)
        if self._synced:
            self._synced.index.close()
        if self._owns["ledger"]:
            self.ledger.close()

    def __enter__(self) -> MemLoRAMemory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> MemLoRAMemory:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close)

    aadd = _async(add)
    aupdate = _async(update)
    adelete = _async(delete)
    adelete_all = _async(delete_all)
    arestore = _async(restore)
    aretry = _async(retry)
    arebuild = _async(rebuild)
    areset = _async(reset)
    asearch = _async(search)
    aanswer = _async(answer)
    aget = _async(get)
    aget_all = _async(get_all)
    ahistory = _async(history)
    awarm = _async(warm)

    # -- inside --------------------------------------------------------------------------------------------------

    def _check_open(self) -> None:
        if self._closed:
            msg = "This memory was closed. Make a new MemLoRAMemory; what it stored is still there."
            raise ClosedError(msg)

    def _index(self) -> Synced:
        """Open the index at first use: importing and opening Chroma takes seconds."""
        with self._opening:
            if self._synced is None:
                given = self._given_index
                if given is None:
                    from langchain_memlora.indexes.chroma import ChromaIndex

                    given = ChromaIndex(self.path / "chroma", self.embeddings)
                index = given if isinstance(given, Index) else VectorStoreIndex(given)
                self._synced = Synced(index, self.ledger, self.embeddings.name)
            return self._synced

    def _run_remember(self, state: dict[str, Any], given: int, start: float) -> AddResult:
        out = self._remember.invoke(state, {"recursion_limit": STEPS})
        self._index().catch_up()
        return AddResult(
            operations=tuple(out["operations"]),
            status=_status(out["finished"], bool(out["failures"])),
            errors=tuple(out["failures"]),
            turn_ids=tuple(turn.id for turn in out["stored"]),
            skipped=max(0, given - len(out["stored"])),
            usage=tuple(out["usage"]),
            seconds=time.perf_counter() - start,
        )

    def _finish_left_over(self) -> None:
        """Work off jobs that an earlier process left behind, once. Failing at that must not keep new messages out."""
        waiting, self._left_over = self._left_over, []
        for scope, jobs in _by_scope(waiting).items():
            try:
                self._run_remember({"scope": scope, "jobs": jobs}, 0, time.perf_counter())
            except (EngineError, ConflictError) as error:
                self._left_over += jobs
                _log.warning("%d window(s) of an earlier run are still unread: %s", len(jobs), error)

    def _add_verbatim(self, scope: Scope, turns: list[Turn], skipped: int, start: float) -> AddResult:
        if images := [image for turn in turns for image in turn.images]:
            self.services.experts.see(images)
        stored = self.ledger.append(scope, turns, lambda new, before: [])[0] if turns else []
        changes = [
            Change(
                Event.ADD,
                new_id(),
                t.text.strip(),
                turn_id=t.id,
                observed_at=t.observed_at,
                by="add",
                metadata=t.metadata,
            )
            for t in stored
            if t.role == "user" and t.text.strip()
        ]
        operations = self.ledger.commit(scope, changes)
        self._index().catch_up()
        return AddResult(
            operations=tuple(operations),
            turn_ids=tuple(turn.id for turn in stored),
            skipped=skipped + len(turns) - len(stored),
            seconds=time.perf_counter() - start,
        )

    def _by_hand(self, scope: Scope, change: Change) -> Operation:
        operation = self.ledger.commit(scope, [change])[0]
        self._index().catch_up()
        return operation

    def _find(self, memory_id: str, user_id: str, *, deleted: bool = False) -> Memory:
        self._check_open()
        check_name("memory_id", memory_id)
        found = self.ledger.memories(to_scope(user_id), ids=[memory_id], deleted=deleted)
        if not found:
            msg = f"{user_id!r} has no memory {memory_id!r}. `get_all` lists what is there."
            raise NotFoundError(msg)
        return found[0]


def _default_engine(bundle: Bundle) -> Engine:
    def make() -> Engine:
        from langchain_memlora.engines.transformers import TransformersEngine

        return TransformersEngine(bundle)

    return LazyEngine(make)


def _by_scope(jobs: Sequence[Job]) -> dict[Scope, list[Job]]:
    grouped: dict[Scope, list[Job]] = {}
    for job in jobs:
        grouped.setdefault(job.scope, []).append(job)
    return grouped


def _check_choice(k: Any, include: Any, filters: Any) -> None:
    if not isinstance(k, int) or k < 1 or include not in ("both", "memories", "turns"):
        msg = f"k={k!r}, include={include!r} can't be used. Pass a k of at least 1 and 'both', 'memories' or 'turns'."
        raise InvalidInputError(msg)
    if filters is not None and not isinstance(filters, Mapping):
        msg = f"filters={filters!r:.80} is not a dict. Pass the metadata that hits must have."
        raise InvalidInputError(msg)


def _status(finished: int, errors: bool) -> Any:
    if not errors:
        return "ok"
    return "partial" if finished else "failed"
