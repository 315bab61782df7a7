"""`MemoryLike`: the verbs of a memory that integrations and the view of one user call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from langchain_memlora.graph import Services
    from langchain_memlora.intake import Clock
    from langchain_memlora.ledger import Ledger
    from langchain_memlora.retrieval import Include
    from langchain_memlora.types import AddResult, Answer, Erasure, Hit, Memory, Operation, Turn


class MemoryLike(Protocol):
    """A memory of many users. `MemLoRAMemory` is one, and documents the verbs.

    Depending on this instead of the facade keeps the import graph free of circles.
    """

    @property
    def clock(self) -> Clock: ...

    @property
    def ledger(self) -> Ledger: ...

    @property
    def services(self) -> Services: ...

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
    ) -> AddResult: ...

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
    ) -> Answer: ...

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
    ) -> list[Hit]: ...

    def update(
        self, memory_id: str, text: str, *, user_id: str, agent_id: str | None = None, run_id: str | None = None
    ) -> Operation: ...

    def delete(
        self, memory_id: str, *, user_id: str, agent_id: str | None = None, run_id: str | None = None
    ) -> Operation: ...

    def delete_all(
        self, *, user_id: str, agent_id: str | None = None, run_id: str | None = None
    ) -> list[Operation]: ...

    def delete_turns(
        self, ids: Sequence[str], *, user_id: str, agent_id: str | None = None, run_id: str | None = None
    ) -> list[Operation]: ...

    def restore(
        self, memory_id: str, *, user_id: str, agent_id: str | None = None, run_id: str | None = None
    ) -> Operation: ...

    def get(
        self, memory_id: str, *, user_id: str, agent_id: str | None = None, run_id: str | None = None
    ) -> Memory: ...

    def get_all(
        self, *, user_id: str, agent_id: str | None = None, run_id: str | None = None, deleted: bool = False
    ) -> list[Memory]: ...

    def history(
        self,
        memory_id: str | None = None,
        *,
        user_id: str,
        agent_id: str | None = None,
        run_id: str | None = None,
        deleted: bool = True,
    ) -> list[Operation]: ...

    def turns(
        self, ids: Sequence[str], *, user_id: str, agent_id: str | None = None, run_id: str | None = None
    ) -> list[Turn]: ...

    def picture(
        self, reference: str, *, user_id: str, agent_id: str | None = None, run_id: str | None = None
    ) -> bytes: ...

    def export(self, path: str | Path, *, user_id: str | None = None) -> None: ...

    def forget(self, *, user_id: str) -> Erasure: ...

    # The async versions that integrations call.

    async def aadd(
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
    ) -> AddResult: ...

    async def asearch(
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
    ) -> list[Hit]: ...

    async def aget_all(
        self, *, user_id: str, agent_id: str | None = None, run_id: str | None = None, deleted: bool = False
    ) -> list[Memory]: ...

    async def adelete(
        self, memory_id: str, *, user_id: str, agent_id: str | None = None, run_id: str | None = None
    ) -> Operation: ...
