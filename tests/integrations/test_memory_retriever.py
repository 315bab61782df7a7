"""Tests of the LangChain retriever."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough
from pydantic import ValidationError
from support import MAY_8

from langchain_memlora import MemLoRAMemory, MemLoRARetriever
from langchain_memlora.errors import ClosedError, InvalidInputError, MissingUserError
from tests.integrations.agents import AgentModel


@pytest.fixture
def told(memory: MemLoRAMemory) -> MemLoRAMemory:
    """Ana and Ben have each told something."""
    memory.add("I moved to Porto yesterday", user_id="ana", observed_at=MAY_8, metadata={"topic": "home"})
    memory.add("I play the cello", user_id="ana", observed_at=MAY_8 + timedelta(days=1), metadata={"topic": "music"})
    memory.add("I moved to Oslo", user_id="ben", observed_at=MAY_8)
    return memory


def test_documents_have_ids_dates_and_evidence(told: MemLoRAMemory) -> None:
    document = told.as_retriever(user_id="ana").invoke("Where did I move?")[0]
    stored = told.get(str(document.id), user_id="ana")
    assert document.page_content == stored.text == "User moved to Porto yesterday"
    assert document.metadata == {
        "topic": "home",
        "kind": "memory",
        "memory_id": stored.id,
        "turn_ids": list(stored.turn_ids),
        "evidence": ["user: I moved to Porto yesterday"],
        "observed_at": "2024-05-08T12:00:00+00:00",
        "dates": document.metadata["dates"],
        "score": document.metadata["score"],
    }
    assert "7 May 2024" in document.metadata["dates"]
    assert 0 < document.metadata["score"] <= 1
    json.dumps(document.metadata)


def test_turns_are_returned_as_documents(told: MemLoRAMemory) -> None:
    document = told.as_retriever(user_id="ana", include="turns").invoke("cello")[0]
    assert document.metadata["kind"] == "turn"
    assert document.metadata["turn_ids"] == [document.id]
    assert document.metadata["speaker"] == "user"
    assert document.page_content == "I play the cello"


def test_k_per_retriever_or_call(told: MemLoRAMemory) -> None:
    retriever = told.as_retriever(user_id="ana", k=2)
    assert len(retriever.invoke("moved cello")) == 2
    assert len(retriever.invoke("moved cello", k=1)) == 1
    with pytest.raises(InvalidInputError):
        retriever.invoke("moved", k=0)
    with pytest.raises(ValidationError):
        told.as_retriever(user_id="ana", k=0)


async def test_async_matches_sync(told: MemLoRAMemory) -> None:
    retriever = told.as_retriever(user_id="ana")
    assert await retriever.ainvoke("cello", k=1) == retriever.invoke("cello", k=1)


def test_retriever_respects_scope_and_filters(told: MemLoRAMemory) -> None:
    found = told.for_user("ben").as_retriever().invoke("moved to Porto, cello")
    assert {document.page_content for document in found} == {"User moved to Oslo"}
    filtered = told.as_retriever(user_id="ana", filters={"topic": "music"}).invoke("moved to Porto")
    assert {document.metadata["topic"] for document in filtered} <= {"music"}


@pytest.mark.parametrize("user_id", [None, "", "*", 7])
def test_missing_user_raises(told: MemLoRAMemory, user_id: Any) -> None:
    with pytest.raises(MissingUserError):
        MemLoRARetriever(memory=told, user_id=user_id)


def test_retriever_in_chain(told: MemLoRAMemory) -> None:
    model = AgentModel(answers=["In Porto."])
    prompt = ChatPromptTemplate.from_template("{notes}\n\n{question}")
    retriever = told.as_retriever(user_id="ana")
    chain = {"notes": retriever, "question": RunnablePassthrough()} | prompt | model | StrOutputParser()
    assert chain.invoke("Where did I move?") == "In Porto."
    assert "moved to Porto" in model.seen[0][0].text


def test_closed_memory_raises(told: MemLoRAMemory) -> None:
    retriever = told.as_retriever(user_id="ana")
    assert "ledger" not in repr(retriever)
    told.close()
    with pytest.raises(ClosedError):
        retriever.invoke("cello")
