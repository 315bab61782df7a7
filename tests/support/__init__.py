"""Helpers that the tests share."""

from support.embeddings import BagOfWords
from support.experts import PROMPTS, judge, pair, plain_bundle, tell
from support.ledgers import ANA, BEN, MAY_8, MAY_15, add, change, get_memory, no_jobs, one_job, say, texts, turn

__all__ = [
    "ANA",
    "BEN",
    "MAY_15",
    "MAY_8",
    "PROMPTS",
    "BagOfWords",
    "add",
    "change",
    "get_memory",
    "judge",
    "no_jobs",
    "one_job",
    "pair",
    "plain_bundle",
    "say",
    "tell",
    "texts",
    "turn",
]
