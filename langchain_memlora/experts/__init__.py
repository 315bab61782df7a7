"""Who decides: roles, bundles, prompts, dialects, and the four verbs the graph calls."""

from langchain_memlora.experts.experts import UNKNOWN, Experts, Extraction, Question
from langchain_memlora.experts.sight import Captioner, Captions, VisionExpert
from langchain_memlora.experts.windows import Line, Window, cut_windows

__all__ = [
    "UNKNOWN",
    "Captioner",
    "Captions",
    "Experts",
    "Extraction",
    "Line",
    "Question",
    "VisionExpert",
    "Window",
    "cut_windows",
]
