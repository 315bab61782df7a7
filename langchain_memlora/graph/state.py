"""The state that travels along the graphs' edges, and the services that nodes work with.

Each node declares in its own file what it reads and what it writes. LangGraph passes a node only the keys it declares.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Protocol, TypedDict, TypeVar

from langchain_core.embeddings import Embeddings
from langgraph.channels.untracked_value import UntrackedValue
from langgraph.config import get_stream_writer

from langchain_memlora.engines.base import Completion, Request
from langchain_memlora.errors import InvalidImageError
from langchain_memlora.experts import Experts, UpdateQuestion
from langchain_memlora.graph.split import Part
from langchain_memlora.indexes.sync import LiveIndex
from langchain_memlora.intake import ImageStore
from langchain_memlora.ledger import Closed, Job, Ledger, Recorded
from langchain_memlora.retrieval import Include, Retriever
from langchain_memlora.types import Decision, Fact, Failure, Hit, Operation, Scope, Turn, Usage

# An untracked channel, since no checkpointer can write such keys.
Answered = Annotated[dict[Request, Completion], UntrackedValue]


@dataclass(frozen=True)
class Services:
    """The components a node may use. Nodes close over one of these; there are no globals.

    Attributes:
        index: Returns the synced index; opened at first use.
        images: The store of pictures; needed only if turns have some.
        sources: Roles whose turns can state facts.
        group: Number of windows that are extracted and decided together.
    """

    experts: Experts
    ledger: Ledger
    retriever: Retriever
    index: Callable[[], LiveIndex]
    embeddings: Embeddings
    images: ImageStore | None = None
    sources: tuple[str, ...] = ("user",)
    group: int = 8

    def picture(self, reference: str) -> bytes:
        """Return the bytes of a stored picture.

        Raises:
            InvalidImageError: There is no image store, or the picture is missing or was altered.
        """
        if self.images is None:
            msg = f"The picture {reference!r:.80} can't be read without an image store. Pass Services(images=...)."
            raise InvalidImageError(msg)
        return self.images.get(reference)


@dataclass(frozen=True, slots=True)
class PendingFact:
    """An extracted fact that is not committed yet.

    Attributes:
        new_id: Id of the memory if the fact is added.
        metadata: Of the turn that states it.
    """

    fact: Fact
    job_id: str
    new_id: str
    metadata: dict[str, Any] = field(default_factory=dict)


class RememberInput(TypedDict, total=False):
    """Input of the remember graph.

    Attributes:
        turns: New messages of one thread, in order; the ledger assigns their ids.
        jobs: Jobs to process instead (a retry); no turns are stored then.
        defer: Only store the turns; the output's `jobs` are to be processed later.
        again: The jobs are of turns to be read again, and not in the ledger.
    """

    scope: Scope
    turns: Sequence[Turn]
    jobs: Sequence[Job]
    defer: bool
    again: bool


class RememberOutput(TypedDict, total=False):
    """Output of the remember graph.

    Attributes:
        recorded: The outcome of storing the messages; `stored` are the new ones among them.
        jobs: Those that were deferred.
        unread: Ids of turns in a language that the bundle does not know.
        kept: Deletions that requests to forget found on reading again would have made, had what they name not come later.
    """

    recorded: Recorded
    stored: list[Turn]
    jobs: Sequence[Job]
    operations: list[Operation]
    failures: list[Failure]
    unread: list[str]
    kept: list[Decision]
    finished: int
    usage: list[Usage]


class RememberState(RememberInput, RememberOutput, total=False):
    """State of one remember run. `jobs` shrinks by a group at a time; lists have no reducer and are replaced whole.

    Attributes:
        uncaptioned: Failures of jobs whose pictures could not be captioned. What their text states is remembered, and
            they stay open.
        settled: Decisions that need no expert, by the position of their question.
        answered: Requests of this group that the update expert completed; none is computed twice.
        parts: By position, the part of its target that a decision is about, if it is not all of it.
        forgotten: By position, the request to forget that names a fact and was observed after it.
        undecided: Failures of the last round of decisions.
        revision: Of the scope when candidates were matched.
        conflicts: Number of commits in a row that another writer's commit prevented.
    """

    working: list[Job]
    uncaptioned: dict[str, Failure]
    facts: list[PendingFact]
    questions: list[UpdateQuestion]
    settled: dict[int, Decision]
    answered: Answered
    decisions: list[Decision | None]
    parts: dict[int, Part]
    forgotten: dict[int, Closed]
    undecided: list[Failure]
    revision: int
    conflicts: int


class RespondInput(TypedDict, total=False):
    """Input of the respond graph.

    Attributes:
        images: Pictures the question is about, as `as_picture` returns them.
        k: Number of hits to retrieve.
        budget: Approximate number of tokens of them that the reader gets.
    """

    scope: Scope
    question: str
    images: Sequence[bytes]
    k: int
    budget: int
    include: Include
    filters: dict[str, Any] | None


class RespondOutput(TypedDict, total=False):
    """Output of the respond graph. `used_images` are references to the remembered pictures that the answer is from."""

    hits: list[Hit]
    context: str
    answer: str
    used_images: list[str]
    usage: list[Usage]


class RespondState(RespondInput, RespondOutput, total=False):
    """State of one respond run."""


class MemoryGraphState(RememberState, RespondState, total=False):
    """State of the graph that remembers first and then responds."""


InT = TypeVar("InT", bound=Mapping[str, Any], contravariant=True)
OutT = TypeVar("OutT", bound=Mapping[str, Any], covariant=True)


class Node(Protocol[InT, OutT]):
    """A node of a graph, by the keys that it reads and writes."""

    def __call__(self, state: InT) -> OutT: ...


def emit(node: str, **payload: Any) -> None:
    """Send a custom stream event: `{"node": ..., ...}` under `stream_mode="custom"`."""
    get_stream_writer()({"node": node, **payload})


@contextmanager
def timed() -> Iterator[Callable[[Usage], Usage]]:
    """Measure a node's wall time; yields a function that writes it into a usage."""
    start = time.perf_counter()
    yield lambda usage: replace(usage, seconds=time.perf_counter() - start)
