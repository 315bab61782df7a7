"""Retrieval: rank fusion, dates, and the context text for the reader."""

from langchain_memlora.retrieval.context import build_context
from langchain_memlora.retrieval.dates import annotate, find_dates
from langchain_memlora.retrieval.retriever import Include, Retriever

__all__ = ["Include", "Retriever", "annotate", "build_context", "find_dates"]
