"""The nouns of the package: frozen data without behaviour.

Everything that crosses a boundary (graph state, ledger rows, results of the public verbs) is one of these.
Datetimes are aware and in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal


class Event(StrEnum):
    """What an operation did to a memory."""

    ADD = "ADD"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    NONE = "NONE"


class MemoryState(StrEnum):
    """Whether a memory is current. A deleted memory is a tombstone that `restore` can undo."""

    ACTIVE = "active"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose memory it is.

    Attributes:
        user_id: The person; always required.
        agent_id: The agent that wrote it, for memories one agent should keep to itself.
        run_id: The run or session that wrote it, likewise.
    """

    user_id: str
    agent_id: str | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation, as the ledger keeps it.

    Attributes:
        id: The ledger's id.
        role: `user`, `assistant`, `system` or `tool`.
        speaker: The name shown to the experts; `None` for an unnamed user or assistant.
        observed_at: When it was said.
        observed_from: `given` by the caller, or the `clock` at the time of `add`.
        thread_id: The conversation it belongs to; context never crosses threads.
        message_id: The caller's id, or one derived from the content; unique in a thread.
        images: References to the pictures it shows; their bytes lie beside the ledger.
        captions: What was seen in each of them; empty until somebody looked.
    """

    id: str
    scope: Scope
    role: str
    text: str
    observed_at: datetime
    observed_from: Literal["given", "clock"] = "given"
    speaker: str | None = None
    thread_id: str = ""
    message_id: str = ""
    images: tuple[str, ...] = ()
    captions: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """What was said and, in brackets, what was seen."""
        return " ".join(filter(None, (self.text, *(f"(picture: {caption})" for caption in self.captions if caption))))


@dataclass(frozen=True, slots=True)
class Memory:
    """One remembered fact, in a sentence.

    Attributes:
        id: Stays the same when the memory is updated.
        observed_at: When the turn that tells the current text was said.
        turn_ids: The turns that tell the current text.
        revision: Counts the changes to this memory, from 1.
    """

    id: str
    text: str
    scope: Scope
    observed_at: datetime
    created_at: datetime
    updated_at: datetime
    state: MemoryState = MemoryState.ACTIVE
    turn_ids: tuple[str, ...] = ()
    revision: int = 1
    metadata: dict[str, Any] = field(default_factory=dict)


FORGET_PREFIX = "forget: "
"""Begins the text of a request to forget, in operations and in what the extraction expert writes."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What the extraction expert read in one turn.

    Attributes:
        text: A sentence with its subject.
        turn_id: The turn that tells it.
        retracts: The user asks to forget this rather than to remember it.
    """

    text: str
    turn_id: str
    observed_at: datetime
    retracts: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The update expert's closed choice for one fact.

    Attributes:
        target: The id of the chosen candidate, for UPDATE, DELETE and NONE.
        probability: The model's probability of this choice among all that were open.
    """

    event: Event
    fact: Fact
    target: str | None = None
    probability: float = 1.0


@dataclass(frozen=True, slots=True)
class Operation:
    """One entry of the history: what was decided, and the memory before and after.

    Attributes:
        fact: The new fact's text; empty for operations that people made by hand.
        probability: Of the update expert's choice; `None` for operations made by hand or in code.
        by: `expert`, or the verb that a person called (`update`, `delete`, `restore`, `add`).
    """

    event: Event
    memory_id: str | None
    scope: Scope
    fact: str = ""
    before: str | None = None
    after: str | None = None
    probability: float | None = None
    turn_id: str | None = None
    at: datetime | None = None
    by: str = "expert"
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """What one stage cost.

    Attributes:
        stage: Graph node or role, for instance `extract`.
        adapter: The adapter that ran; `None` for the base model.
        seconds: Wall time.
    """

    stage: str
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    adapter: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A part of an `add` that did not work; its turns are kept and `retry` can do it again.

    Attributes:
        job_id: The extraction window's job in the ledger; empty for an image that could not be taken.
        kind: The error's class name.
        raw: The model's text, where there is one.
    """

    job_id: str
    kind: str
    message: str
    attempts: int = 1
    raw: str = ""


@dataclass(frozen=True, slots=True)
class AddResult:
    """What an `add` did.

    Attributes:
        operations: In the order they were decided, NONE included.
        status: `ok`, `partial` (some windows failed), `failed` (all did), `pending` (on disk, and being worked off).
        turn_ids: The turns that were new to the ledger.
        skipped: How many messages were already known, or hold nothing to keep.
    """

    operations: tuple[Operation, ...] = ()
    status: Literal["ok", "partial", "failed", "pending"] = "ok"
    errors: tuple[Failure, ...] = ()
    turn_ids: tuple[str, ...] = ()
    skipped: int = 0
    usage: tuple[Usage, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Erasure:
    """The receipt of an erasure: how much was erased, and when.

    Attributes:
        user_id: Whose; `None` for everybody's.
        operations: Entries of the history.
        vectors: Cached embeddings. The index's own are those of the memories and turns.
        images: Pictures that nobody's messages show any more.
        at: When all of it was gone from ledger, full-text search, write-ahead log, caches and index.
    """

    user_id: str | None
    turns: int
    memories: int
    operations: int
    jobs: int
    vectors: int
    at: datetime
    images: int = 0


@dataclass(frozen=True, slots=True)
class Hit:
    """One search result: a memory with the turns that tell it, or a turn by itself.

    Attributes:
        memory: The memory, or `None` if the hit is a raw turn.
        turns: The evidence; for a raw turn, the turn itself.
        score: Fused rank score in (0, 1]; comparable within one search only.
        replaced_by: For a turn whose facts were all superseded: the memory that replaced them.
    """

    memory: Memory | None
    turns: tuple[Turn, ...]
    score: float
    replaced_by: str | None = None

    @property
    def text(self) -> str:
        """The memory's text, or the turn's words."""
        return self.memory.text if self.memory else self.turns[0].words


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and what it was read from.

    Attributes:
        text: The generation expert's words.
        known: `False` where the expert said that the memories do not tell.
        hits: What was put before the expert.
        context: The very text it read.
        images: Remembered pictures that the vision expert looked at for it.
    """

    text: str
    known: bool
    hits: tuple[Hit, ...] = ()
    context: str = ""
    usage: tuple[Usage, ...] = ()
    seconds: float = 0.0
    images: tuple[str, ...] = ()
