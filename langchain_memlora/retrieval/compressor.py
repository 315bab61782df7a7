"""A LangChain document compressor as the second stage of a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from langchain_core.documents import BaseDocumentCompressor, Document

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.retrieval.reranker import Candidate, Reranker

PLACE = "memlora_place"
SCORE = "relevance_score"


class CompressorReranker(Reranker):
    """Ranks as a LangChain `BaseDocumentCompressor` does. Documents that it leaves out are no hits.

    A document has the text of a memory, or a turn's words after its speaker's name. If all that come back have a
    `relevance_score` between 0 and 1 in their metadata, hits take it over; else they keep the probabilities of the first stage,
    each at least as high as those after it.

    Args:
        compressor: Must keep the documents' metadata.
    """

    def __init__(self, compressor: BaseDocumentCompressor) -> None:
        self._compressor = compressor

    def rerank(self, query: str, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Return the candidates in the compressor's order.

        Raises:
            InvalidInputError: A document came back without its metadata.
        """
        given = [Document(one.text, id=one.id, metadata={PLACE: place}) for place, one in enumerate(candidates)]
        kept = {self._place(document): document for document in self._compressor.compress_documents(given, query)}
        scores = [document.metadata.get(SCORE) for document in kept.values()]
        numbers = [float(score) for score in scores if isinstance(score, int | float) and 0 <= score <= 1]
        if len(numbers) < len(kept):
            numbers = [candidates[place].score for place in kept]
        for place in range(len(numbers) - 1, 0, -1):
            numbers[place - 1] = max(numbers[place - 1], numbers[place])
        return [replace(candidates[place], score=score) for place, score in zip(kept, numbers, strict=True)]

    def _place(self, document: Document) -> int:
        place = document.metadata.get(PLACE)
        if not isinstance(place, int):
            msg = (
                f"{type(self._compressor).__name__} returned a document without the metadata it was given ({PLACE!r}). Pass a "
                "compressor that keeps metadata."
            )
            raise InvalidInputError(msg)
        return place
