"""Makes the second stage of searches from the argument `reranker`."""

from __future__ import annotations

from typing import Any, Literal

from langchain_core.documents import BaseDocumentCompressor

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.ledger import Ledger
from langchain_memlora.models.pins import LATE_INTERACTION
from langchain_memlora.models.reranker import cross_encoder, token_encoder
from langchain_memlora.retrieval import CrossEncoder, LateInteraction, Reranker
from langchain_memlora.retrieval.compressor import CompressorReranker

RerankerName = Literal["late-interaction", "cross-encoder"]
DEFAULT: RerankerName = "late-interaction"


def make_reranker(given: Any, ledger: Ledger) -> Reranker | None:
    """Return the stage that was given, named, or made of a compressor; None for none.

    Raises:
        InvalidInputError: It is none of these.
    """
    if given is None or isinstance(given, Reranker):
        return given
    if isinstance(given, BaseDocumentCompressor):
        return CompressorReranker(given)
    if given not in (DEFAULT, "cross-encoder"):
        msg = (
            f"reranker={given!r:.80} can't be used. Pass 'late-interaction', 'cross-encoder', a LangChain "
            "BaseDocumentCompressor, a Reranker, or None."
        )
        raise InvalidInputError(msg)
    late = LateInteraction(ledger, token_encoder, LATE_INTERACTION)
    return late if given == DEFAULT else CrossEncoder(late, cross_encoder)
