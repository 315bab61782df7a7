"""Retrieval: rank fusion, a second stage, dates, and the context text for the reader."""

from langchain_memlora.retrieval.context import build_context
from langchain_memlora.retrieval.cross_encoder import CrossEncoder
from langchain_memlora.retrieval.dates import annotate, find_dates
from langchain_memlora.retrieval.late_interaction import LateInteraction
from langchain_memlora.retrieval.relevance import FLOOR
from langchain_memlora.retrieval.reranker import Candidate, Reranker
from langchain_memlora.retrieval.retriever import Include, Retriever

__all__ = [
    "FLOOR",
    "Candidate",
    "CrossEncoder",
    "Include",
    "LateInteraction",
    "Reranker",
    "Retriever",
    "annotate",
    "build_context",
    "find_dates",
]
