"""What travels along the graphs' edges, and what their nodes are given to work with."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, TypedDict

from langchain_core.embeddings import Embeddings
from langgraph.channels.untracked_value import UntrackedValue
from langgraph.config import get_stream_writer

from langchain_memlora.engines.base import Completion, Request
from langchain_memlora.experts import Experts, Question, Window
from langchain_memlora.indexes.sync import SyncedIndex
from langchain_memlora.intake import ImageStore
from langchain_memlora.ledger import Job, Ledger
from langchain_memlora.retrieval import Include, Retriever
from langchain_memlora.types import Decision, Fact, Failure, Hit, Operation, Scope, Turn, Usage


@dataclass(frozen=True)
class Services:
    """The parts a node may use. Nodes close over one of these; there are no globals.

    Attributes:
        index: Gives the synced index; opened at first use.
        images: Where pictures are kept; needed only where turns have some.
        sources: Roles whose turns can tell facts.
        group: How many windows are extracted and decided together.
    """

    experts: Experts
    ledger: Ledger
    retriever: Retriever
    index: Callable[[], SyncedIndex]
    embeddings: Embeddings
    images: ImageStore | None = None
    sources: tuple[str, ...] = ("user",)
    group: int = 8


@dataclass(frozen=True, slots=True)
class Read:
    """A fact on its way through the graph, with the job it came from, the id it would get and its turn's metadata."""

    fact: Fact
    job_id: str
    new_id: str
    metadata: dict[str, Any] = field(default_factory=dict)


class RememberInput(TypedDict, total=False):
    """What the remember graph takes.

    Attributes:
        turns: New messages of one thread, in order; their ids are given by the ledger.
        jobs: Jobs to work off instead (a retry); no turns are stored then.
        defer: Only store the turns; the output's `jobs` are to be worked off later.
    """

    scope: Scope
    turns: Sequence[Turn]
    jobs: Sequence[Job]
    defer: bool


class RememberOutput(TypedDict, total=False):
    """What the remember graph gives. `jobs` are those that were deferred."""

    stored: list[Turn]
    jobs: Sequence[Job]
    operations: list[Operation]
    failures: list[Failure]
    finished: int
    usage: list[Usage]


class RememberState(RememberInput, RememberOutput, total=False):
    """Scratch of one remember run. `jobs` shrinks a group at a time; lists without a reducer are replaced whole.

    Attributes:
        unseen: Jobs with pictures that nobody could look at; what their words tell is remembered, and they stay open.
        answered: What the update expert was asked in this group and said; it is never asked the same thing again.
        undecided: What the last round of decisions could not read.
    """

    working: list[Job]
    unseen: dict[str, Failure]
    windows: list[tuple[Job, Window]]
    facts: list[Read]
    questions: list[Question]
    settled: dict[int, Decision]
    answered: Annotated[dict[Request, Completion], UntrackedValue]  # no checkpointer can write such keys
    decisions: list[Decision | None]
    undecided: list[Failure]
    revision: int
    conflicts: int


class RespondInput(TypedDict, total=False):
    """What the respond graph takes.

    Attributes:
        k: How many hits are retrieved.
        budget: About how many tokens of them the reader gets.
        images: Pictures the question is about, as `as_picture` gives them.
    """

    scope: Scope
    question: str
    images: Sequence[bytes]
    k: int
    budget: int
    include: Include
    filters: dict[str, Any] | None


class RespondOutput(TypedDict, total=False):
    """What the respond graph gives. `looked` are references to remembered pictures that were looked at."""

    hits: list[Hit]
    context: str
    answer: str
    looked: list[str]
    usage: list[Usage]


class RespondState(RespondInput, RespondOutput, total=False):
    """Scratch of one respond run."""


class MemoryState(RememberState, RespondState, total=False):
    """Both, for the graph that remembers first and then responds."""


Node = Callable[[Any], dict[str, Any]]


def emit(node: str, **what: Any) -> None:
    """Send a custom stream event: `{"node": ..., ...}` under `stream_mode="custom"`."""
    get_stream_writer()({"node": node, **what})


@contextmanager
def timed() -> Iterator[Callable[[Usage], Usage]]:
    """Measure a node's wall time; the function it gives writes it into a usage."""
    start = time.perf_counter()
    yield lambda usage: replace(usage, seconds=time.perf_counter() - start)
