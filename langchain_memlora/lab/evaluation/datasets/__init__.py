"""Readers of published data sets: each turns one file format into `Conversation`s."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from langchain_memlora.lab.evaluation.conversations import Conversation
from langchain_memlora.lab.evaluation.datasets.histories import load_histories
from langchain_memlora.lab.evaluation.datasets.locomo import load_locomo
from langchain_memlora.lab.evaluation.datasets.longmemeval import load_longmemeval
from langchain_memlora.lab.evaluation.datasets.realtalk import load_realtalk
from langchain_memlora.lab.evaluation.metrics.token_f1 import locomo_f1, plain_f1

__all__ = ["DATASETS", "Dataset", "load_histories", "load_locomo", "load_longmemeval", "load_realtalk"]


@dataclass(frozen=True)
class Dataset:
    """One data set with its loader and score.

    Attributes:
        load: Function of `(path, numbers)`; numbers are places in the file, from 1.
        f1: The data set's own score, of `(prediction, gold, category)`.
        categories: Meaning of its category names, where needed.
    """

    name: str
    title: str
    source: str
    load: Callable[..., list[Conversation]]
    f1: Callable[[str, str, str], float] = plain_f1
    categories: Mapping[str, str] = field(default_factory=dict)


DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            "locomo",
            "LoCoMo",
            "arXiv 2402.17753, CC BY-NC 4.0",
            load_locomo,
            locomo_f1,
            {"1": "multi-hop", "2": "temporal", "3": "open-domain", "4": "single-hop", "5": "adversarial"},
        ),
        Dataset("longmemeval", "LongMemEval", "arXiv 2410.10813, MIT", load_longmemeval),
        Dataset(
            "realtalk",
            "REALTALK",
            "arXiv 2502.13270",
            load_realtalk,
            categories={"1": "facts", "2": "dates", "3": "inference"},
        ),
        Dataset("assistant", "Assistant histories", "written for this project, Apache-2.0", load_histories),
    )
}
"""All data sets of conversations, by name."""
