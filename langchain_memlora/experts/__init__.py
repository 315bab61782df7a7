"""Asking the experts of a bundle: prompts, dialects and windows, and the operations that the graph calls."""

from langchain_memlora.errors import moved_names
from langchain_memlora.experts.experts import UNKNOWN, Experts, Extraction, UpdateQuestion
from langchain_memlora.experts.vision import Captioner, Captions, VisionExpert
from langchain_memlora.experts.windows import Line, Window, cut_windows

__all__ = [
    "UNKNOWN",
    "Captioner",
    "Captions",
    "Experts",
    "Extraction",
    "Line",
    "UpdateQuestion",
    "VisionExpert",
    "Window",
    "cut_windows",
]

__getattr__ = moved_names(
    __name__,
    {
        "Bundle": "langchain_memlora.bundles.Bundle",
        "Card": "langchain_memlora.bundles.Card",
        "DEFAULT_BUNDLE": "langchain_memlora.bundles.DEFAULT_BUNDLE",
        "Role": "langchain_memlora.bundles.Role",
        "TEXT_ROLES": "langchain_memlora.bundles.TEXT_ROLES",
        "load_bundle": "langchain_memlora.bundles.load_bundle",
        "shipped_bundles": "langchain_memlora.bundles.shipped_bundles",
        "Question": "langchain_memlora.experts.UpdateQuestion",
    },
)
