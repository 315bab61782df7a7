"""Baselines without the picture: the most frequent answers, given the question alone or with a caption."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.vision.drawings import Drawing

Asked = tuple[Drawing, str, str, str]


def asked(drawings: Iterable[Drawing]) -> list[Asked]:
    """Return every question as (drawing, kind, question, answer)."""
    return [(drawing, *question) for drawing in drawings for question in drawing.questions]


class Guesser:
    """Answers with the most frequent training answer among questions with the same view.

    No reader of the same text can do better on questions like those it was trained on, so as a baseline it is a strong one.

    Args:
        views: Views of a question, the most specific first; the first one known from training is used.
    """

    def __init__(self, training: Sequence[Asked], *views: str) -> None:
        self._views = views
        self._counts: dict[tuple[str, str], Counter[str]] = {}
        for one in training:
            for view, seen in self._seen(one):
                self._counts.setdefault((view, seen), Counter())[one[3]] += 1

    def answer(self, one: Asked) -> str:
        """Return the most frequent answer."""
        found = (self._counts.get(key) for key in self._seen(one))
        return next((counts.most_common(1)[0][0] for counts in found if counts), "")

    def _seen(self, one: Asked) -> list[tuple[str, str]]:
        drawing, kind, question, _ = one
        known: Mapping[str, str] = {
            "kind": kind,
            "question": question,
            "caption of shapes": f"{drawing.forms}: {question}",
        }
        return [(view, known[view]) for view in self._views]
