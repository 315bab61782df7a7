"""`MemLoRARetriever`: one user's memories as LangChain documents, for retrieval chains."""

from __future__ import annotations

from typing import Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field, SkipValidation

from langchain_memlora.intake.messages import to_scope
from langchain_memlora.memory.protocol import MemoryLike
from langchain_memlora.retrieval.dates import annotate
from langchain_memlora.retrieval.filters import parse_filters
from langchain_memlora.types import Hit


class MemLoRARetriever(BaseRetriever):
    """Finds one user's memories and messages about a question, best first.

    A document is a memory or a message, under its id. Its metadata are the caller's own (from `add`), and: `kind`
    (`memory` or `turn`), `score` (probability that it is relevant), `observed_at` (ISO 8601, when it was said), `dates` (the
    meaning of relative dates in the text, such as "last week = 26 February to 3 March 2024"), `turn_ids`, and for a memory
    `memory_id` and `evidence` (the messages that support it), for a message `speaker`.

    Args:
        memory: The `MemLoRAMemory` to search.
        user_id: The owner of the memories.
        k: Return at most this many documents; `retriever.invoke(question, k=3)` overrides it.
        include: `both`, or only `memories` or `turns`.
        filters: What the metadata of documents must meet, as in `MemLoRAMemory.search`; `retriever.invoke(question,
            filters={...})` overrides it.
        min_score: Probability of relevance that documents must have, from 0 to 1.

    Raises:
        MissingUserError: `user_id` is not a usable id.

    Example:
        ```python
        from langchain_memlora import MemLoRAMemory

        with MemLoRAMemory(path="/tmp/memlora-retriever") as memory:
            memory.add("I play the cello.", user_id="ana", infer=False)
            for document in memory.as_retriever(user_id="ana").invoke("Which instrument?", k=3):
                print(document.metadata["score"], document.page_content)
        ```
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    memory: SkipValidation[MemoryLike] = Field(repr=False)
    user_id: str
    agent_id: str | None = None
    run_id: str | None = None
    k: int = Field(default=5, ge=1)
    include: Literal["both", "memories", "turns"] = "both"
    filters: dict[str, Any] | None = None
    min_score: float = Field(default=0.0, ge=0, le=1)

    def __init__(self, **fields: Any) -> None:
        # Checked here and not by pydantic, which would wrap the error.
        to_scope(fields.get("user_id"), fields.get("agent_id"), fields.get("run_id"))
        parse_filters(fields.get("filters"))
        super().__init__(**fields)

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
        filters: dict[str, Any] | None = None,
    ) -> list[Document]:
        return [_document(hit) for hit in self.memory.search(query, **self._arguments(k, filters))]

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,
        k: int | None = None,
        filters: dict[str, Any] | None = None,
    ) -> list[Document]:
        return [_document(hit) for hit in await self.memory.asearch(query, **self._arguments(k, filters))]

    def _arguments(self, k: int | None, filters: dict[str, Any] | None) -> dict[str, Any]:
        scope = {"user_id": self.user_id, "agent_id": self.agent_id, "run_id": self.run_id}
        return {
            **scope,
            "k": self.k if k is None else k,
            "include": self.include,
            "filters": self.filters if filters is None else filters,
            "min_score": self.min_score,
        }


def _document(hit: Hit) -> Document:
    item = hit.memory or hit.turns[0]
    metadata: dict[str, Any] = {
        **item.metadata,
        "kind": "memory" if hit.memory else "turn",
        "score": hit.score,
        "observed_at": item.observed_at.isoformat(),
        "dates": annotate(item.text, item.observed_at),
        "turn_ids": [turn.id for turn in hit.turns],
    }
    if hit.memory:
        evidence = [f"{turn.speaker or turn.role}: {turn.shown}" for turn in hit.turns]
        metadata |= {"memory_id": hit.memory.id, "evidence": evidence}
    else:
        metadata |= {"speaker": hit.turns[0].speaker or hit.turns[0].role, "replaced_by": hit.replaced_by}
    return Document(hit.text, id=item.id, metadata=metadata)
