"""answer: the generation expert reads the context and answers in a few words, or says that it does not tell."""

from __future__ import annotations

from typing import Any

from langchain_memlora.experts import UNKNOWN
from langchain_memlora.graph.state import Node, RespondState, Services, emit, timed


def make_answer(services: Services) -> Node:
    """Make the node."""

    def answer(state: RespondState) -> dict[str, Any]:
        with timed() as clock:
            text, usage = services.experts.answer(state["question"], state["context"])
        emit("answer", answer=text, usage=clock(usage))
        return {"answer": text, "usage": [*state["usage"], clock(usage)]}

    return answer


def is_known(answer: str) -> bool:
    """Whether an answer says something; `unknown` and silence do not."""
    return answer.strip(" .").casefold() not in {"", UNKNOWN}
