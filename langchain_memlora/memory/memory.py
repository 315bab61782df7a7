"""`MemLoRAMemory`: the facade over graph, ledger, index and experts."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.documents import BaseDocumentCompressor
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from langgraph.graph.state import CompiledStateGraph

from langchain_memlora.bundles import DEFAULT_BUNDLE, Bundle
from langchain_memlora.engines.base import Engine
from langchain_memlora.errors import InvalidImageError, InvalidInputError, NotFoundError
from langchain_memlora.experts import UNKNOWN, Captioner
from langchain_memlora.graph import build_memory_graph, build_respond_graph, compile_without_checkpointer
from langchain_memlora.graph.answer import is_known
from langchain_memlora.graph.answer_from_image import SHOWN
from langchain_memlora.graph.state import RespondInput
from langchain_memlora.indexes import Index
from langchain_memlora.intake import Clock, as_picture, read_picture
from langchain_memlora.intake.messages import Redact, check_name, check_share, check_text, redacted, to_scope, to_turns
from langchain_memlora.ledger import Imported, Ledger, NewOperation, Retention
from langchain_memlora.memory.async_methods import async_version
from langchain_memlora.memory.bulk import Bulk, add_all
from langchain_memlora.memory.components import Components
from langchain_memlora.memory.second_stage import RerankerName
from langchain_memlora.memory.user_view import UserMemory
from langchain_memlora.memory.writer import Writer
from langchain_memlora.retrieval import Include, Reranker
from langchain_memlora.retrieval.filters import parse_filters
from langchain_memlora.types import AddResult, Answer, Erasure, Event, Hit, Memory, Operation, Reread, Scope, Turn

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from langchain_memlora.integrations.chat_model import ChatMemLoRA
    from langchain_memlora.integrations.middleware import MemLoRAMiddleware
    from langchain_memlora.integrations.owner import UserId
    from langchain_memlora.integrations.retriever import MemLoRARetriever


class MemLoRAMemory:
    """Long-term memory on this machine: one small model, with one LoRA expert per operation.

    Args:
        path: Folder of the ledger and the index. Default: `MEMLORA_HOME`, else the user's data folder. Any number of
            processes on this machine may use it at once.
        experts: A bundle, its name or its path.
        engine: Runs the models: an `Engine`, `transformers` (the default), `openvino`, `auto` for the fastest installed, or the
            address of a server that holds the experts, such as `http://127.0.0.1:8000/v1`.
        index: A LangChain `VectorStore` (or an `Index`) in place of the embedded Chroma.
        ledger: A `Ledger`, the path of its file if it is not in `path`, or the `postgresql://` URL of a database.
        embeddings: A LangChain `Embeddings` in place of bge-small-en-v1.5.
        retention: Limits on how much of each scope is kept, and for how long; enforced at each `add`, and for every user by
            `expire`.
        redact: A function that takes the text of each message, `update`, query and question, and returns the text that may be
            stored. Experts and embedder see nothing else. What it leaves empty is not stored and finds nothing. Its exceptions
            are raised, and nothing is stored.
        vision: A bundle whose vision expert is used in place of that of `experts`: its name or its path.
        captioner: Without a vision expert, a function that describes a picture; it receives the bytes of a PNG or JPEG.
        reranker: The second stage of searches: `late-interaction` (the default), `cross-encoder` for a slower stage after it, a
            LangChain `BaseDocumentCompressor`, a `Reranker`, or None for none.
        timezone: The zone of speakers whose messages come without a time: an IANA name such as `Europe/Berlin`, or a `tzinfo`.
            Default: this machine's zone. "Today" and "last week" are days of the speaker.

    Raises:
        BundleError: The experts can't be loaded.
        InvalidInputError: `reranker` is none of these, or `timezone` is unknown.
        LedgerError: The ledger can't be opened.
        MissingExtraError: A package that the engine or a URL needs is not installed.

    Every verb has an async version with an `a` in front. Models load at first use; `warm` loads them ahead.

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
        engine: Engine | str | None = None,
        index: VectorStore | Index | None = None,
        ledger: Ledger | str | Path | None = None,
        embeddings: Embeddings | None = None,
        retention: Retention | None = None,
        redact: Redact | None = None,
        vision: str | Path | Bundle | None = None,
        captioner: Captioner | None = None,
        reranker: Reranker | BaseDocumentCompressor | RerankerName | None = "late-interaction",
        timezone: str | tzinfo | None = None,
    ) -> None:
        self.clock = Clock(timezone)
        self._components = components = Components(
            path=path,
            experts=experts,
            engine=engine,
            index=index,
            ledger=ledger,
            embeddings=embeddings,
            vision=vision,
            captioner=captioner,
            reranker=reranker,
        )
        self.path, self.bundle, self.engine = components.path, components.bundle, components.engine
        self.ledger, self.embeddings, self.services = components.ledger, components.embeddings, components.services
        self._retention, self._redact = retention, redact
        self._writer = Writer(self.services, retention)
        self._respond = compile_without_checkpointer(build_respond_graph(self.services), "respond")

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
        background: bool = False,
    ) -> AddResult:
        """Store messages and remember the facts in them.

        The messages are on disk before any model runs. Messages that were added before are skipped, so a whole conversation
        may be passed again. Another text under the same thread and id is an edit: it replaces the old text, whose facts are
        withdrawn. Without a thread, it may also be another conversation; see `docs/concepts.md`.

        Args:
            messages: A string, a message or a list; see `messages.to_turns`. Images are content blocks (LangChain's,
                OpenAI's, Anthropic's, or `{"type": "image", "path": ...}`); those that can't be read or
                captioned are in the result's `errors`, and the text beside them is remembered.
            observed_at: The aware time at which they were said, in the zone of who said them; the clock's time if not given.
            thread_id: The conversation they belong to; context never crosses threads. Pass one if your message ids repeat.
            infer: `False` keeps each user message as a memory word for word, without running an expert.
            background: Return once the messages are on disk, with status `pending`; a worker remembers them in the order
                they came. If 256 windows wait, `add` blocks until there is room. Errors stay on the jobs: see
                `flush`, `retry` and `memlora doctor`.

        On disk means synced (`fsync` at each commit), so that it survives a power cut; `Ledger(path, durability="normal")`
        is faster and survives only a killed process. Work that a crash or `close` interrupts is finished, once and in order,
        before the user's next `add`, or by `flush` or `retry`, in any process that uses the folder.

        Raises:
            InvalidInputError: An argument can't be used as given; nothing was stored.
            EngineError: The model failed. The messages are stored, and `retry` finishes the work.
            StoreInUseError: Another process has read this user's messages for ten minutes; nothing was stored.
        """
        self._check_open()
        scope = to_scope(user_id, agent_id, run_id)
        given = to_turns(
            messages,
            scope,
            observed_at=observed_at,
            clock=self.clock,
            thread_id=thread_id,
            metadata=metadata,
            images=self.services.images,
            redact=self._redact,
        )
        if not infer:
            return self._writer.add_verbatim(scope, given)
        remember = self._writer.add_later if background else self._writer.add
        return remember(scope, given)

    def add_many(
        self,
        conversations: Iterable[Mapping[str, Any]],
        *,
        in_flight: int = 8,
        progress: Callable[[int], None] | None = None,
    ) -> Bulk:
        """Add the histories of many users.

        Memory use is bounded by `in_flight`, however long the iterable. A user's conversations are remembered in the
        order they come; those of different users side by side, so that the engine can batch them. After an
        interruption, call it again with the same conversations: known messages are skipped.

        Args:
            conversations: Each has the arguments of `add`: `messages`, `user_id` and `observed_at`, and optionally `agent_id`,
                `run_id`, `thread_id` and `metadata`.
            in_flight: Number of conversations processed at once.
            progress: Called with the number of finished conversations.

        Returns:
            Counts, and the conversations that could not be used or read.

        Raises:
            InvalidInputError: `in_flight` is not positive.
            EngineError: The model failed. Conversations in progress are stored, and the next call finishes them.
            LedgerError: The ledger can't be written.
        """
        self._check_open()
        return add_all(self.add, conversations, in_flight=in_flight, progress=progress)

    def update(
        self, memory_id: str, text: str, *, user_id: str, agent_id: str | None = None, run_id: str | None = None
    ) -> Operation:
        """Replace the text of a memory. The old text stays in its history.

        Raises:
            NotFoundError: No memory with this id is in the scope.
        """
        text = redacted(check_text(text, "text"), self._redact)
        if not text:
            msg = (
                f"Redaction left nothing of the new text of {memory_id!r:.80}. Pass a text of which something is left."
            )
            raise InvalidInputError(msg)
        memory = self.get(memory_id, user_id=user_id, agent_id=agent_id, run_id=run_id)
        news = NewOperation(Event.UPDATE, memory_id, text.strip(), by="update", observed_at=self.clock.now())
        return self._commit(memory.scope, news)

    def delete(
        self, memory_id: str, *, user_id: str, agent_id: str | None = None, run_id: str | None = None
    ) -> Operation:
        """Delete what a memory states. `restore` undoes it.

        Messages that support the memory or contain the same detail are withheld from every reader, whoever said it; memories
        that contain it are deleted too. This reaches what the memory's own scope can read. The result's `withheld` lists it.

        Raises:
            NotFoundError: No memory with this id is in the scope.
        """
        memory = self.get(memory_id, user_id=user_id, agent_id=agent_id, run_id=run_id)
        return self._commit(memory.scope, NewOperation(Event.DELETE, memory_id, by="delete"))

    def delete_all(self, *, user_id: str, agent_id: str | None = None, run_id: str | None = None) -> list[Operation]:
        """Delete all memories that a scope can read, and withhold all its messages.

        Restoring a memory brings back the messages behind it; restoring the last one, also those that were behind none. Without
        any memory, there is an operation for each message, and `restore` takes the message's id.
        """
        self._check_open()
        scope = to_scope(user_id, agent_id, run_id)
        with self._writer.after_earlier(scope.user_id):
            operations = self.ledger.delete_all(scope)
        self.services.index().catch_up()
        return operations

    def delete_turns(
        self, ids: Sequence[str], *, user_id: str, agent_id: str | None = None, run_id: str | None = None
    ) -> list[Operation]:
        """Delete messages by id, with the memories that rest on nothing else and whatever repeats what they state.

        Returns:
            An operation for each message, then those on memories. `restore` of a message's id brings back what the `withheld`
            of its operation lists.

        Raises:
            NotFoundError: One of the ids is of no message in the scope, or of one that is withheld already; nothing is deleted.
        """
        self._check_open()
        scope = to_scope(user_id, agent_id, run_id)
        for key in ids:
            check_name("turn id", key)
        operations = self.ledger.delete_turns(scope, list(dict.fromkeys(ids)))
        self.services.index().catch_up()
        return operations

    def restore(
        self, memory_id: str, *, user_id: str, agent_id: str | None = None, run_id: str | None = None
    ) -> Operation:
        """Undo the last change to a memory: bring a deleted one back, or an updated one back to its earlier text.

        With a deleted memory comes back what was withheld because of it, unless another deletion withholds it too.

        Args:
            memory_id: The memory; or a message that was deleted by its own id.

        Raises:
            NotFoundError: No memory with this id is in the scope, or there is nothing to undo.
        """
        self._check_open()
        check_name("memory_id", memory_id)
        scope = to_scope(user_id, agent_id, run_id)
        if not self.ledger.turns([memory_id], scope, withheld=True):
            scope = self._find(memory_id, scope, deleted=True).scope
        operation = self.ledger.restore(scope, memory_id)
        self.services.index().catch_up()
        return operation

    def retry(self) -> AddResult:
        """Process again what failed or was interrupted, for all users."""
        self._check_open()
        return self._writer.retry()

    def flush(self, timeout: float | None = None) -> AddResult:
        """Wait for the work that `add(..., background=True)` or an earlier process left.

        Args:
            timeout: Maximum wait in seconds.

        Returns:
            The outcome since the last flush (of the last thousand runs); status `pending` on timeout.
        """
        self._check_open()
        return self._writer.flush(timeout)

    def rebuild(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Rebuild the vector index from the ledger, also with another embedder or store; returns the number of items written.

        The previous store is not emptied. Empty a store that held vectors of another embedder first. An embedded
        index of the default embedder of an earlier version needs none of that: searches use it until
        today's default has filled another one beside it.
        After an interruption, the next call continues with the vectors computed so far. If another process owns the embedded
        index, this one computes what is missing, and the owner writes or moves it.

        Args:
            progress: Called with the number of changes applied, and their total.

        Raises:
            StoreInUseError: The index was made with another embedder, and another process uses it; or that process was to move
                it to today's default, and did not answer.
        """
        self._check_open()
        return self._components.rebuild(progress)

    def reread(self, progress: Callable[[int, int], None] | None = None) -> Reread:
        """Read stored messages again with the current bundle, for all users.

        These are the messages in a language that an earlier bundle did not know, and those behind memories that are `unproven`.
        What is read is stored, and the unproven memories that rest on a message are withdrawn as soon as it was read: they
        have state `withdrawn`, and `restore` brings one back for good. What happened since stays: memories that a caller gave,
        updated, restored or deleted, and what later messages changed, deleted or asked to forget. The messages of
        deleted memories are not read. Requests to forget that are found delete only what was observed before them.

        It may take as long as adding all these messages did. After an interruption, the next call continues.

        Args:
            progress: Called with the number of messages that were processed, and their total.

        Raises:
            EngineError: The model failed. What was read is stored, and the next call continues.
        """
        self._check_open()
        return self._writer.reread(progress)

    def export(self, path: str | Path, *, user_id: str | None = None) -> None:
        """Write turns, memories, history and jobs of all users, or of one, into a new file of JSON lines.

        A file of all users is a copy, with what was deleted and can be restored. That of one user holds what can be read.

        Raises:
            InvalidInputError: The file exists or can't be written.
        """
        self._check_open()
        self.ledger.export(path, None if user_id is None else to_scope(user_id).user_id)

    def import_(self, path: str | Path) -> Imported:
        """Import a file that `export` wrote: all of it, or nothing. Known items are skipped, so it may be repeated.

        Raises:
            InvalidInputError: The file is no export, or was truncated or changed; the message names the line.
        """
        self._check_open()
        done = self.ledger.import_(path)
        self.services.index().catch_up()
        return done

    def backup(self, path: str | Path) -> None:
        """Copy the ledger, while it is in use, into a new file: the `ledger.sqlite3` of another memory's folder.

        Raises:
            InvalidInputError: The file exists or can't be written.
        """
        self._check_open()
        self.ledger.backup(path)

    def forget(self, *, user_id: str) -> Erasure:
        """Erase everything known about a user, for all agents and runs: turns, memories, history. This can't be undone.

        The text is gone from ledger, full-text index, caches and write-ahead log when this returns, and from the
        embedded Chroma, which is rebuilt for that (from cached vectors). From other vector stores it is deleted by
        id; they may keep remains of their own. If a crash interrupts this, the next opening finishes it.

        Returns:
            A receipt.

        Raises:
            LedgerError: The log could not be emptied because others are reading. Call it again.
            StoreInUseError: Another process owns the embedded index and did not answer for a minute. End it, and call it again.
        """
        self._check_open()
        return self._erase(to_scope(user_id).user_id)

    def expire(self, limits: Retention | None = None) -> Erasure:
        """Erase what exceeds the limits now, in every scope, idle ones too. This can't be undone.

        As with `forget`, the bytes are gone when this returns. What an `add` expires is gone from every search
        at once, and from the files by the next `expire`, `forget` or opening.

        Args:
            limits: Used in place of the memory's own `retention`.

        Raises:
            InvalidInputError: No limits were given, here or at opening.
            LedgerError: The log could not be emptied because others are reading. Call it again.
        """
        self._check_open()
        if (limits := limits or self._retention) is None:
            msg = "limits=None: this memory was opened without `retention`. Pass a Retention."
            raise InvalidInputError(msg)
        self._components.drop_cached()
        try:
            return self._writer.expire(limits)
        finally:
            self._components.drop_cached_texts()

    def reset(self) -> Erasure:
        """Erase everything of every user, as `forget` does. This can't be undone."""
        self._check_open()
        return self._erase(None)

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
        min_score: float = 0.0,
    ) -> list[Hit]:
        """Find memories and raw turns, best first.

        Args:
            k: Return at most this many hits.
            include: `both`, or only `memories` or `turns`.
            filters: What the metadata of hits must meet, for instance `{"topic": "work", "week": {"$gte": 12}}`; the operators
                are those of LangChain's stores, and `docs/how-to/filters.md` explains them.
            min_score: Probability of relevance that hits must have, from 0 to 1; 0 returns the best even if nothing fits.

        Raises:
            InvalidInputError: An argument can't be used.
        """
        self._check_open()
        scope = to_scope(user_id, agent_id, run_id)
        query = redacted(check_text(query, "query"), self._redact)
        _check_choice(k, include, filters)
        check_share(min_score, "min_score")
        if not query:
            return []
        return self.services.retriever.search(query, scope, k=k, include=include, filters=filters, min_score=min_score)

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
        images: Sequence[Any] = (),
    ) -> Answer:
        """Answer a question from memory, in a few words; `known` is `False` if the memories hold no answer.

        A question about a picture goes to the vision expert: with `images`, or if the best hit shows one.

        Args:
            k: Number of hits the expert may read.
            budget: Number of tokens of them it may read, counted as its model does.
            images: Pictures the question is about, in any form that a content block or `read_picture` takes; at most 4.

        Raises:
            InvalidImageError: An image can't be read, or there are too many.
            VisionNotConfiguredError: There are `images`, but no vision expert or captioner.
        """
        start = time.perf_counter()
        self._check_open()
        scope = to_scope(user_id, agent_id, run_id)
        question = redacted(check_text(question, "question"), self._redact)
        _check_choice(k, include, filters)
        if not question:
            return Answer(text=UNKNOWN, known=False, seconds=time.perf_counter() - start)
        state: RespondInput = {
            "scope": scope,
            "question": question,
            "k": k,
            "budget": budget,
            "include": include,
            "filters": dict(filters) if filters else None,
            "images": self._pictures(images),
        }
        out = self._respond.invoke(state)
        return Answer(
            text=out["answer"],
            known=is_known(out["answer"]),
            hits=tuple(out["hits"]),
            context=out["context"],
            usage=tuple(out["usage"]),
            seconds=time.perf_counter() - start,
            images=tuple(out.get("used_images", ())),
        )

    def picture(self, reference: str, *, user_id: str, agent_id: str | None = None, run_id: str | None = None) -> bytes:
        """Return a picture from the scope's messages (`turn.images`), as the bytes of a PNG or JPEG file.

        Raises:
            NotFoundError: No message in the scope shows this picture.
            InvalidImageError: Its file is missing or was altered.
        """
        self._check_open()
        owner = to_scope(user_id, agent_id, run_id)
        if not any(reference in turn.images for turn in self.ledger.all_turns(owner)):
            msg = f"{user_id!r} has no picture {reference!r:.80}. Pass a reference from the `images` of a turn."
            raise NotFoundError(msg)
        return self._components.images.get(reference)

    def get(self, memory_id: str, *, user_id: str, agent_id: str | None = None, run_id: str | None = None) -> Memory:
        """Return one memory.

        Raises:
            NotFoundError: No memory with this id is in the scope (it may be deleted; see `history`).
        """
        return self._find(memory_id, to_scope(user_id, agent_id, run_id))

    def get_all(
        self, *, user_id: str, agent_id: str | None = None, run_id: str | None = None, deleted: bool = False
    ) -> list[Memory]:
        """Return all memories that a scope can read, oldest first; with `deleted`, tombstones too."""
        self._check_open()
        return self.ledger.memories(to_scope(user_id, agent_id, run_id), deleted=deleted)

    def history(
        self,
        memory_id: str | None = None,
        *,
        user_id: str,
        agent_id: str | None = None,
        run_id: str | None = None,
        deleted: bool = True,
    ) -> list[Operation]:
        """Return the changes to one memory, or to all that a scope can read, oldest first.

        The history is what `restore` works from, and holds what was deleted until it is erased.

        Args:
            deleted: `False` leaves out the texts of deleted memories, and those that repeat a deleted detail.
        """
        self._check_open()
        if memory_id is not None:
            check_name("memory_id", memory_id)
        return self.ledger.history(to_scope(user_id, agent_id, run_id), memory_id, deleted=deleted)

    def turns(
        self, ids: Sequence[str], *, user_id: str, agent_id: str | None = None, run_id: str | None = None
    ) -> list[Turn]:
        """Return messages by the ids that memories (`turn_ids`) and operations (`turn_id`) name as their source.

        Ids outside the scope, and those of withheld messages, are left out.
        """
        self._check_open()
        seen = self.ledger.turns(list(dict.fromkeys(ids)), to_scope(user_id, agent_id, run_id))
        return [*seen.values()]

    # -- graph and user view -------------------------------------------------------------------------------------

    @functools.cached_property
    def graph(self) -> CompiledStateGraph[Any, Any, Any, Any]:
        """The compiled LangGraph graph that remembers and responds."""
        return compile_without_checkpointer(build_memory_graph(self.services), "memlora")

    def for_user(self, user_id: str, agent_id: str | None = None, run_id: str | None = None) -> UserMemory:
        """Make a view bound to one user, for code that must not reach other users."""
        return UserMemory(self, to_scope(user_id, agent_id, run_id))

    # -- for LangChain -------------------------------------------------------------------------------------------

    def as_middleware(self, *, user_id: UserId, **options: Any) -> MemLoRAMiddleware:
        """Make a middleware for `langchain.agents.create_agent`; see `MemLoRAMiddleware` for the options."""
        from langchain_memlora.integrations.middleware import MemLoRAMiddleware

        return MemLoRAMiddleware(self, user_id=user_id, **options)

    def as_tools(self, *, user_id: UserId, **options: Any) -> list[BaseTool]:
        """Make tools to search, save, update and forget; see `memory_tools` for the options."""
        from langchain_memlora.integrations.tools import memory_tools

        return memory_tools(self, user_id=user_id, **options)

    def as_retriever(self, *, user_id: str, **options: Any) -> MemLoRARetriever:
        """Make a LangChain retriever; see `MemLoRARetriever` for the options."""
        from langchain_memlora.integrations.retriever import MemLoRARetriever

        return MemLoRARetriever(memory=self, user_id=user_id, **options)

    def as_chat_model(self, role: str | None = None, **options: Any) -> ChatMemLoRA:
        """Make a LangChain chat model of the local model, with a role's adapter or none; see `ChatMemLoRA`."""
        from langchain_memlora.integrations.chat_model import ChatMemLoRA

        return ChatMemLoRA(engine=self.engine, role=role, model=self.bundle.card.base.name, **options)

    def warm(self) -> None:
        """Load models and open the index now.

        Loaded objects are also exempt from Python's garbage collection (`gc.freeze`) until `close`: a full collection
        would stop all threads, an event loop too, for a quarter of a second.
        """
        self._check_open()
        self._components.warm()

    def close(self) -> None:
        """Stop the workers and close the stores. Closing twice is fine.

        Background jobs in progress are finished; waiting ones stay on disk for the next opening. To finish all, `flush` first.
        In a forked process it does nothing, since everything open is the parent's.
        """
        if not self._components.closed and not self._components.is_forked:
            self._components.closed = True
            self._writer.close()
            self._components.close()

    def __enter__(self) -> MemLoRAMemory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> MemLoRAMemory:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close)

    aadd = async_version(add)
    aadd_many = async_version(add_many)
    aupdate = async_version(update)
    adelete = async_version(delete)
    adelete_all = async_version(delete_all)
    adelete_turns = async_version(delete_turns)
    arestore = async_version(restore)
    aretry = async_version(retry)
    aflush = async_version(flush)
    arebuild = async_version(rebuild)
    areread = async_version(reread)
    aexport = async_version(export)
    aimport_ = async_version(import_)
    abackup = async_version(backup)
    aforget = async_version(forget)
    areset = async_version(reset)
    aexpire = async_version(expire)
    asearch = async_version(search)
    aanswer = async_version(answer)
    apicture = async_version(picture)
    aget = async_version(get)
    aget_all = async_version(get_all)
    ahistory = async_version(history)
    aturns = async_version(turns)
    awarm = async_version(warm)

    # -- inside --------------------------------------------------------------------------------------------------

    @property
    def _executor(self) -> Executor:
        return self._components.threads()

    def _check_open(self) -> None:
        self._components.check_open()

    def _pictures(self, images: Sequence[Any]) -> list[bytes]:
        if len(images) > SHOWN:
            msg = f"A question has {len(images)} images; the limit is {SHOWN}. Pass fewer."
            raise InvalidImageError(msg)
        return [as_picture(read_picture(image)) for image in images]

    def _erase(self, user_id: str | None) -> Erasure:
        self._components.drop_cached()
        try:
            return self._writer.erase(user_id)
        finally:
            self._components.drop_cached_texts()

    def _commit(self, scope: Scope, change: NewOperation) -> Operation:
        operation = self.ledger.commit(scope, [change])[0]
        self.services.index().catch_up()
        return operation

    def _find(self, memory_id: str, scope: Scope, *, deleted: bool = False) -> Memory:
        self._check_open()
        check_name("memory_id", memory_id)
        found = self.ledger.memories(scope, ids=[memory_id], deleted=deleted)
        if not found:
            msg = (
                f"{scope.user_id!r} has no memory {memory_id!r}, or not in this scope. Pass an id that `get_all` lists."
            )
            raise NotFoundError(msg)
        return found[0]


def _check_choice(k: Any, include: Any, filters: Any) -> None:
    if not isinstance(k, int) or k < 1 or include not in ("both", "memories", "turns"):
        msg = f"k={k!r} or include={include!r} can't be used. Pass k >= 1, and 'both', 'memories' or 'turns'."
        raise InvalidInputError(msg)
    parse_filters(filters)
