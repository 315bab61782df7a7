"""The answer node: the generation expert answers from the context in a few words, or says `unknown`."""

from __future__ import annotations

from typing import TypedDict

from langchain_memlora.experts import UNKNOWN
from langchain_memlora.graph.state import Node, Services, emit, timed
from langchain_memlora.types import Usage


class AnswerInput(TypedDict):
    """Keys that `answer` reads."""

    question: str
    context: str
    usage: list[Usage]


class AnswerOutput(TypedDict):
    """Keys that `answer` writes."""

    answer: str
    usage: list[Usage]


def make_answer(services: Services) -> Node[AnswerInput, AnswerOutput]:
    """Make the node."""

    def answer(state: AnswerInput) -> AnswerOutput:
        with timed() as clock:
            text, usage = services.experts.answer(state["question"], state["context"])
        emit("answer", answer=text, usage=clock(usage))
        return {"answer": text, "usage": [*state["usage"], clock(usage)]}

    return answer


def is_known(answer: str) -> bool:
    """Return whether an answer says something; `unknown` and an empty text do not."""
    return answer.strip(" .").casefold() not in {"", UNKNOWN}
