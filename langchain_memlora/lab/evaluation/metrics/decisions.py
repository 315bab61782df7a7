"""The update expert's decisions against labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from langchain_memlora.types import Event

KEEPS = frozenset({Event.ADD, Event.NONE})
UNREADABLE = "unreadable"


def score_decisions(pairs: Sequence[tuple[Event, Event | None]]) -> dict[str, Any]:
    """Return accuracy, confusion and the share of destructive mistakes.

    Args:
        pairs: Label and decision of each case; the decision is `None` if it was unreadable.

    Returns:
        `accuracy`; `confusion` as label -> decision -> count; `false_destructive`: share of the cases labelled ADD or
        NONE with the decision UPDATE or DELETE; `valid_output`.
    """
    confusion: Counter[tuple[str, str]] = Counter((str(label), str(said or UNREADABLE)) for label, said in pairs)
    keeping = [said for label, said in pairs if label in KEEPS]
    destroyed = sum(said is not None and said not in KEEPS for said in keeping)
    return {
        "cases": len(pairs),
        "accuracy": sum(label == said for label, said in pairs) / len(pairs) if pairs else None,
        "confusion": {
            str(label): {said: count for (wanted, said), count in sorted(confusion.items()) if wanted == str(label)}
            for label in Event
        },
        "false_destructive": destroyed / len(keeping) if keeping else None,
        "valid_output": sum(said is not None for _, said in pairs) / len(pairs) if pairs else None,
    }
