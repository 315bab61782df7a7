"""Who decides: roles, bundles, prompts, dialects, and the four verbs the graph calls."""

from langchain_memlora.experts.bundle import DEFAULT_BUNDLE, Bundle, Card, load_bundle, shipped_bundles
from langchain_memlora.experts.experts import UNKNOWN, Experts, Extraction, Question
from langchain_memlora.experts.roles import TEXT_ROLES, Role
from langchain_memlora.experts.sight import Captioner, Captions, VisionExpert
from langchain_memlora.experts.windows import Line, Window, cut_windows

__all__ = [
    "DEFAULT_BUNDLE",
    "TEXT_ROLES",
    "UNKNOWN",
    "Bundle",
    "Captioner",
    "Captions",
    "Card",
    "Experts",
    "Extraction",
    "Line",
    "Question",
    "Role",
    "VisionExpert",
    "Window",
    "cut_windows",
    "load_bundle",
    "shipped_bundles",
]
