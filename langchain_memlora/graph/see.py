"""see: images become text. Until a vision expert is configured, they become a typed error, and are never dropped."""

from __future__ import annotations

from typing import Any

from langchain_memlora.graph.state import Node, Services


def make_see(services: Services) -> Node:
    """Make the node."""

    def see(state: dict[str, Any]) -> dict[str, Any]:
        images = [*state.get("images", ()), *(i for turn in state.get("turns", ()) for i in turn.images)]
        services.experts.see(images)
        return {}

    return see


def has_images(state: dict[str, Any]) -> bool:
    """Whether there is anything to see."""
    return bool(state.get("images")) or any(turn.images for turn in state.get("turns", ()))
