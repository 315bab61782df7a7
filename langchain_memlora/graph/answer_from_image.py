"""The answer_from_image node: the vision expert answers a question about pictures in place of the generation expert.

The pictures are those passed with the question, else those of the best hit: pictures are stored, so a later question is
answered from their pixels and not from a caption.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NotRequired, TypedDict

from langchain_memlora.errors import InvalidImageError
from langchain_memlora.graph.state import Node, Services, emit, timed
from langchain_memlora.types import Hit, Usage

SHOWN = 4


class AnswerFromImageInput(TypedDict):
    """Keys that `answer_from_image` reads."""

    question: str
    images: NotRequired[Sequence[bytes]]
    hits: list[Hit]
    context: str
    usage: list[Usage]


class AnswerFromImageOutput(TypedDict):
    """Keys that `answer_from_image` writes."""

    answer: str
    used_images: list[str]
    usage: list[Usage]


def make_answer_from_image(services: Services) -> Node[AnswerFromImageInput, AnswerFromImageOutput]:
    """Make the node."""

    def answer_from_image(state: AnswerFromImageInput) -> AnswerFromImageOutput:
        with timed() as clock:
            given = list(state.get("images") or ())
            remembered = [] if given else remembered_pictures(services, state["hits"])
            images = given + [services.picture(picture) for picture in remembered]
            text, usage = services.experts.answer_about_images(state["question"], state["context"], images[:SHOWN])
        emit("answer_from_image", answer=text, used_images=remembered, usage=clock(usage))
        return {"answer": text, "used_images": remembered, "usage": [*state["usage"], clock(usage)]}

    return answer_from_image


def remembered_pictures(services: Services, hits: Sequence[Hit]) -> list[str]:
    """Return references to the stored pictures of the best hit; none without a vision expert."""
    if not services.experts.answers_from_pixels or not hits:
        return []
    shown = dict.fromkeys(image for turn in hits[0].turns for image in turn.images)
    return [image for image in shown if _is_stored(services, image)][:SHOWN]


def _is_stored(services: Services, image: str) -> bool:
    try:
        return bool(services.picture(image))
    except InvalidImageError:
        return False
