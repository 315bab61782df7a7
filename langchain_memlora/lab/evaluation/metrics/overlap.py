"""Exact match, BLEU-1 and ROUGE-1 of an answer and the right one."""

from __future__ import annotations

import math
import re
from collections import Counter

from langchain_memlora.lab.evaluation.metrics.words import normalize, stem

_ALPHANUMERIC = re.compile(r"[a-z0-9]+")
_STEMMED_FROM = 4
"""Shorter words are not stemmed, as in the customary ROUGE implementation."""


def exact_match(prediction: str, gold: str) -> float:
    """1 if both are the same set of words after normalisation, as in LoCoMo's scorer."""
    return float(set(normalize(prediction).split()) == set(normalize(gold).split()))


def bleu1(prediction: str, gold: str) -> float:
    """Clipped unigram precision times the brevity penalty. Source: Papineni et al., ACL 2002."""
    said, right = normalize(prediction).split(), normalize(gold).split()
    common = sum((Counter(said) & Counter(right)).values())
    if not common:
        return 0.0
    brevity = 1.0 if len(said) >= len(right) else math.exp(1 - len(right) / len(said))
    return brevity * common / len(said)


def rouge1(prediction: str, gold: str) -> float:
    """F-measure over stemmed unigrams, articles included. Source: Lin, "ROUGE", 2004."""
    said, right = (Counter(_rouge_words(text)) for text in (prediction, gold))
    common = sum((said & right).values())
    return 2 * common / (said.total() + right.total()) if common else 0.0


def _rouge_words(text: str) -> list[str]:
    return [stem(w) if len(w) >= _STEMMED_FROM else w for w in _ALPHANUMERIC.findall(text.lower())]
