"""Update cases: a new fact, several known memories, and the one right decision about them.

One JSON object a line; the shipped ones are in `data/updates/`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from langchain_memlora.lab.training.json_lines import read_lines, shipped
from langchain_memlora.lab.training.pairs import Pair, load_pairs
from langchain_memlora.types import Event

_Text = Annotated[str, Field(min_length=1)]
_FORGET = re.compile(r"forget (?:that )?", re.IGNORECASE)
_GOLD = re.compile(r"(ADD|NONE)|(NONE|UPDATE|DELETE) (\d+)")


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class UpdateCase:
    """One decision.

    Attributes:
        known: The memories, in the order in which `gold` counts them.
        gold: `ADD`; `NONE`, `UPDATE` or `DELETE` with the number of a memory, counted from 0; or `NONE` alone, where a
            request to forget concerns none of them.
        kind: Relation of the fact to the memories, for instance `value_change`.
        why: Reason for the decision.
    """

    id: _Text
    known: tuple[str, ...]
    new: _Text
    gold: str
    kind: str = ""
    why: str = ""

    @model_validator(mode="after")
    def _names_a_memory(self) -> UpdateCase:
        match = _GOLD.fullmatch(self.gold)
        if not match or (match[3] and int(match[3]) >= len(self.known)):
            allowed = f"ADD, NONE, and NONE, UPDATE or DELETE with a number below {len(self.known)}"
            msg = f"gold is {self.gold!r}; allowed are {allowed}"
            raise ValueError(msg)
        return self

    @property
    def decision(self) -> tuple[Event, int | None]:
        """The operation, and the number of the memory it is about."""
        event, _, number = self.gold.partition(" ")
        return Event(event), int(number) if number else None


def load_update_cases(*paths: Path) -> list[UpdateCase]:
    """Load update cases from JSONL files; without arguments, the shipped ones.

    Raises:
        InvalidInputError: A line is not an update case; the message names file and line.

    Example:
        ```python
        from langchain_memlora.lab.training.updates import load_update_cases

        print(len(load_update_cases()), "cases")
        ```
    """
    advice = 'Write {"id": ..., "known": [...], "new": ..., "gold": "UPDATE 0"}.'
    return read_lines(paths or shipped("updates"), UpdateCase, "case", advice)


def case_pairs(cases: Iterable[UpdateCase]) -> list[Pair]:
    """Return a pair for each memory of each case: the decision for its target, ADD for the others.

    Example:
        ```python
        from langchain_memlora.lab.training.updates import UpdateCase, case_pairs

        case = UpdateCase("my-1", ("User has a dog", "User lives in Ghent"), "User moved to Bruges", "UPDATE 1")
        assert [pair.event for pair in case_pairs([case])] == ["ADD", "UPDATE"]
        ```
    """
    pairs = []
    for case in cases:
        event, target = case.decision
        new = _FORGET.sub("forget that ", case.new, count=1) if _FORGET.match(case.new) else case.new
        pairs += [
            Pair(old=old, new=new, event=event.value if number == target else Event.ADD.value)
            for number, old in enumerate(case.known)
        ]
    return pairs


def shipped_pairs() -> list[Pair]:
    """Return the shipped pairs and those of the shipped update cases."""
    return [*load_pairs(), *case_pairs(load_update_cases())]
