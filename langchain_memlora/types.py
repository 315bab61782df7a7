"""The data types of the package: frozen, without behaviour.

Graph state, ledger rows and results of the public verbs are made of these.
Datetimes are aware: `observed_at` has the speaker's offset, other times are in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, NamedTuple


class Event(StrEnum):
    """The effect of an operation on a memory."""

    ADD = "ADD"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    NONE = "NONE"


class MemoryState(StrEnum):
    """The state of a memory. Deleted and withdrawn memories are tombstones that `restore` can undo.

    `reread` withdraws an unproven memory once the turns behind it were read again, and an edit of a message the memories that
    only its old text supported. The turns of a deleted memory, and all that repeats it, are withheld; those of a withdrawn one
    are not.
    """

    ACTIVE = "active"
    DELETED = "deleted"
    WITHDRAWN = "withdrawn"


Unread = Literal["", "language", "again"]
"""Why a turn is still to be read for facts: `language`, it is in a language that the bundle did not know; `again`, an unproven
memory rests on it, or it was withheld before it was read. Empty where nothing is left to read."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The owner of a memory.

    Attributes:
        user_id: The person; always required.
        agent_id: The agent that wrote it, for memories that only this agent may read.
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
        observed_at: The time it was said, with the offset from UTC of its speaker; an edit keeps it, unless the caller gives
            another.
        observed_from: `given` by the caller, or the `clock` at the time of `add`.
        thread_id: The conversation it belongs to; context never crosses threads. Conversations without one, whose message ids
            are the same, get thread ids of their own, which begin with U+001F.
        message_id: The caller's id, or one derived from the content; unique in a thread.
        images: References to the pictures it shows; their bytes are stored beside the ledger.
        captions: A caption for each of them; empty until they are captioned.
        outdated: Parts of `words`, as offsets, that a later message replaced while others still hold; only search sets it.
        unread: Why it is still to be read for facts; empty if it is not.
        seq: Its row number in the ledger, which grows in the order of `add`; 0 before it is stored.
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
    outdated: tuple[tuple[int, int], ...] = ()
    unread: Unread = ""
    seq: int = field(default=0, compare=False)

    @property
    def words(self) -> str:
        """The text, followed by the captions in brackets."""
        return " ".join(filter(None, (self.text, *(f"(picture: {caption})" for caption in self.captions if caption))))

    @property
    def shown(self) -> str:
        """The words, with what a later message replaced marked as `[no longer so: ...]`."""
        return "".join(f"[no longer so: {part}]" if old else part for part, old in self.parts())

    def parts(self, start: int = 0, end: int | None = None) -> list[tuple[str, bool]]:
        """Cut the words between two offsets into parts that hold and parts that are outdated, marked `True`."""
        words = self.words
        end = len(words) if end is None else end
        found, at = [], start
        for low, high in self.outdated:
            low, high = max(at, low), min(high, end)
            if low < high:
                found += [(words[at:low], False), (words[low:high], True)]
                at = high
        return [part for part in (*found, (words[at:end], False)) if part[0]]


Form = Literal["said", "written", "given", "unproven"]
"""Source of a memory's text: `said` is the speaker's own words, `written` a sentence of the extraction expert that was checked
against them, `given` the caller's text, `unproven` a sentence that an earlier version stored without a check."""


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a turn that states one thing.

    Attributes:
        start: Offset of the first character in `Turn.words`.
        end: Offset after the last character.
        asked: Quotation of the one or two messages before, where the span can't be understood without them; usually a
            question.
    """

    start: int
    end: int
    asked: str = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """One remembered fact: a sentence, or a quotation of the speaker.

    Attributes:
        id: Stays the same when the memory is updated.
        observed_at: The time of the turn that supports the current text, with the offset of its speaker.
        turn_ids: The turns that support the current text: first the one that set it, then those that repeated it.
        revision: Counts the changes to this memory, from 1.
        form: Source of the current text.
        said: The part of the first of these turns that states it; `None` if none was marked, or that turn was erased.
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
    form: Form = "given"
    said: Span | None = None


FORGET_PREFIX = "forget: "
"""Begins the text of a request to forget, in operations and in what the extraction expert writes."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact that the extraction expert found in one turn.

    Attributes:
        text: A sentence with its subject, or a quotation of the speaker.
        turn_id: The turn that states it.
        retracts: The user asks to forget this rather than to remember it.
        form: Source of the text; `unproven` until it is checked.
        said: The part of the turn that states it, where the dialect marks one or the check found one.
    """

    text: str
    turn_id: str
    observed_at: datetime
    retracts: bool = False
    form: Form = "unproven"
    said: Span | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The update expert's closed choice for one fact.

    Attributes:
        target: The id of the chosen candidate, for UPDATE, DELETE and NONE.
        probability: The model's probability of this choice among the allowed ones.
    """

    event: Event
    fact: Fact
    target: str | None = None
    probability: float = 1.0


@dataclass(frozen=True, slots=True)
class Withheld:
    """A message or memory that a deletion withholds.

    Attributes:
        id: The id of the turn or memory.
        reason: `evidence`, it supports what was deleted, or rests on it; `request`, it asks for the deletion; `repeats`, it
            contains the deleted detail; `quotes`, a memory whose quotation of a withheld message was removed; `deleted`, it
            was deleted itself, by its id or with everything of its scope.
    """

    kind: Literal["turn", "memory"]
    id: str
    reason: Literal["evidence", "request", "repeats", "quotes", "deleted"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One entry of the history: the decision, and the memory before and after.

    Attributes:
        fact: The new fact's text; empty for operations that a verb call made.
        probability: Of the update expert's choice; `None` for operations made by a verb call or by rule.
        by: `expert`, or the verb that was called (`update`, `delete`, `restore`, `add`); `split` if a quotation was split into
            memories of its parts, because one of them changed, `backfill` if the fact was observed before the memory's text,
            `withhold` if it no longer quotes a message that is withheld, `repeats` if it was deleted because it contains a
            deleted detail, `reread` if it was withdrawn, `edit` if the message that stated it was edited.
        form: Source of the text after it; for DELETE, of the deleted text; for NONE, of the fact.
        withheld: The receipt of a deletion that was not undone: what it withholds, and `restore` of the memory brings back; of
            an operation without a memory, `restore` of its turn.
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
    form: Form = "given"
    withheld: tuple[Withheld, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Usage:
    """The cost of one stage.

    Attributes:
        stage: Graph node or role, for instance `extract`.
        prompt_tokens: Tokens of the whole prompts.
        adapter: The adapter that ran; `None` for the base model.
        seconds: Wall time.
        shared_tokens: The part of `prompt_tokens` that was not computed again, because prompts begin alike.
    """

    stage: str
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    adapter: str | None = None
    shared_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """A part of an `add` that failed; its turns are kept, and `retry` repeats it.

    Attributes:
        job_id: The extraction window's job in the ledger; empty for a part of a message that could not be read.
        kind: The error's class name.
        raw: The model's output, if there is one.
    """

    job_id: str
    kind: str
    message: str
    attempts: int = 1
    raw: str = ""


SkipReason = Literal["known", "empty", "role", "inserted", "edited"]
"""Reasons not to store a message: `known`, the same message is stored; `empty`, it has neither text nor image; `role`, it is a
system or tool message; `inserted`, a framework wrote it; `edited`, a later message of the same call has its id."""


class Skipped(NamedTuple):
    """A message that an `add` does not store.

    Attributes:
        message_id: The caller's id, or one derived from the content; empty if the message has neither.
    """

    message_id: str
    reason: SkipReason


@dataclass(frozen=True, slots=True)
class AddResult:
    """The outcome of an `add`. Each message is named in `turn_ids`, `edited` or `skipped`, or in `errors` if it is an image.

    Attributes:
        operations: In the order they were decided, NONE included. Those that take back what an edited message stated are first.
        status: `ok`, `partial` (some windows failed), `failed` (all did), `pending` (on disk, waiting for the background).
        turn_ids: The turns that were new to the ledger.
        unread: The turns in a language that the bundle does not know: stored and searchable, but not read for facts until
            `reread` is called with a bundle that does.
        skipped: The messages that were not stored, each with the reason.
        edited: The turns whose text was replaced, because a message of the same thread and id has another one.
        reused: Ids of messages without a thread that other messages have too: these are stored as a conversation of their own.
        omitted: Types of content blocks that are not stored, since they are nothing said: an assistant's reasoning, tool
            calls and their results.
    """

    operations: tuple[Operation, ...] = ()
    status: Literal["ok", "partial", "failed", "pending"] = "ok"
    errors: tuple[Failure, ...] = ()
    turn_ids: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    edited: tuple[str, ...] = ()
    reused: tuple[str, ...] = ()
    usage: tuple[Usage, ...] = ()
    seconds: float = 0.0
    omitted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reread:
    """The outcome of `reread`.

    Attributes:
        turns: Number of turns that were read.
        operations: In the order they were decided; withdrawals of unproven memories are DELETE by `reread`.
        unread: Number of turns that are still in a language that the bundle does not know.
        unproven: Number of memories that are still unproven and rest on turns that can be read again.
        kept: What requests to forget would have deleted, had it not been observed after them: it stays.
        errors: Turns that could not be read; the next `reread` tries them again.
    """

    turns: int = 0
    operations: tuple[Operation, ...] = ()
    unread: int = 0
    unproven: int = 0
    kept: tuple[Decision, ...] = ()
    errors: tuple[Failure, ...] = ()
    usage: tuple[Usage, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Erasure:
    """The receipt of an erasure: numbers of erased items, and the time.

    Attributes:
        user_id: The erased user; `None` for all users.
        operations: Entries of the history.
        vectors: Cached embeddings and token vectors. The index's own are those of the memories and turns.
        images: Pictures that no message shows any more.
        at: The time when all of it was gone from ledger, full-text search, write-ahead log, caches and index.
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
    """One search result: a memory with the turns that support it, or a turn by itself.

    Attributes:
        memory: The memory, or `None` if the hit is a raw turn.
        turns: The evidence; for a raw turn, the turn itself.
        score: Probability that the hit is relevant, from 0 to 1. Never above that of the hit before.
        replaced_by: The memory that replaced all facts of a turn, if one did.
    """

    memory: Memory | None
    turns: tuple[Turn, ...]
    score: float
    replaced_by: str | None = None

    @property
    def text(self) -> str:
        """The memory's text, or the turn's text with captions and with what is outdated marked."""
        return self.memory.text if self.memory else self.turns[0].shown


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and its sources.

    Attributes:
        text: The generation expert's output.
        known: `False` if the expert found no answer in the memories.
        hits: The hits that the expert received.
        context: The exact text it received.
        images: Remembered pictures that the vision expert used.
    """

    text: str
    known: bool
    hits: tuple[Hit, ...] = ()
    context: str = ""
    usage: tuple[Usage, ...] = ()
    seconds: float = 0.0
    images: tuple[str, ...] = ()
