"""look: a question about pictures goes to the vision expert in place of the generation expert.

The pictures are those that came with the question, else those that the best hit shows: what is remembered of a picture is
the picture, so a later question is answered from its pixels and not from what somebody once noted about it.
"""

from __future__ import annotations

from typing import Any

from langchain_memlora.errors import InvalidImageError
from langchain_memlora.graph.state import Node, RespondState, Services, emit, timed

SHOWN = 4


def make_look(services: Services) -> Node:
    """Make the node."""

    def look(state: RespondState) -> dict[str, Any]:
        with timed() as clock:
            remembered = [] if state.get("images") else remembered_pictures(services, state)
            images = list(state.get("images") or ()) + [services.images.get(picture) for picture in remembered]
            text, usage = services.experts.look(state["question"], state["context"], images[:SHOWN])
        emit("look", answer=text, looked=remembered, usage=clock(usage))
        return {"answer": text, "looked": remembered, "usage": [*state["usage"], clock(usage)]}

    return look


def remembered_pictures(services: Services, state: RespondState) -> list[str]:
    """References to the pictures that the best hit shows and that are still here, if an expert can look at them."""
    if not services.experts.answers_from_pixels or not state["hits"]:
        return []
    shown = dict.fromkeys(image for turn in state["hits"][0].turns for image in turn.images)
    return [image for image in shown if _is_here(services, image)][:SHOWN]


def _is_here(services: Services, image: str) -> bool:
    try:
        return bool(services.images.get(image))
    except InvalidImageError:
        return False
