"""Asking the experts of a bundle: prompts, dialects and windows, and the operations that the graph calls."""

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
