"""The compact dialect: one fact a line, and one closed question for each pair of new fact and known memory.

Extraction writes `NUMBER rest of the sentence`; the subject is the writer of that message and is restored in code, so
speakers can't be swapped. `NUMBER forget: ...` is a request to forget. `none` means no facts.

Update writes nothing: for each candidate the probabilities of ADD (unrelated), NONE (same), UPDATE and DELETE are read
off one position. Together they make one closed choice for the fact: the choice is ADD unless some candidate says otherwise.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from langchain_memlora.engines.base import Completion
from langchain_memlora.errors import ExpertOutputError
from langchain_memlora.experts.dialects.base import Ask, Dialect, ParsedExtraction, without_echoes, written_fact
from langchain_memlora.experts.windows import Window, shown_speaker, speaker_of
from langchain_memlora.types import FORGET_PREFIX, Decision, Event, Fact, Memory, Turn

NO_FACTS = "none"
_FORGET = FORGET_PREFIX.strip()
# "The same" and "changed" are hard to distinguish, and only one mistake loses something: NONE drops the new words, UPDATE
# keeps both (the old ones in the history). So NONE must be more likely by this much, in log odds; else it is an UPDATE.
SURE_OF_SAME = math.log(2)
LABELS = (Event.ADD, Event.NONE, Event.UPDATE, Event.DELETE)
_LINE = re.compile(r"(\d{1,3})\s+(\S.*)")
_HAS_WORD = re.compile(r"\w")


class Lines(Dialect):
    """The compact dialect; see the module."""

    name = "lines"

    def ask_extraction(self, window: Window) -> list[Ask]:
        dialogue = "\n".join(f"{line.number or '-'} {shown_speaker(line.turn)}: {line.text}" for line in window.lines)
        return [Ask({"dialogue": dialogue})]

    def read_extraction(self, completions: Sequence[Completion], window: Window) -> ParsedExtraction:
        (completion,) = completions
        facts: list[Fact] = []
        rejected: list[ExpertOutputError] = []
        lines = [line.strip() for line in completion.text.splitlines() if line.strip()]
        if not lines:
            rejected.append(ExpertOutputError("The extraction expert wrote nothing, not even 'none'."))
        cut = lines.pop() if lines and not completion.finished else None
        # A loop of greedy decoding repeats an earlier row: cutting it off loses nothing.
        if cut and not any(line.startswith(cut) for line in lines):
            rejected.append(ExpertOutputError(f"The last row was cut off and is left out: {cut!r}"))
        for line in lines:
            match = _LINE.fullmatch(line)
            turn = window.sources.get(int(match[1])) if match else None
            if line.lower() == NO_FACTS:
                continue
            if not match or not turn or not _HAS_WORD.search(match[2].removeprefix(_FORGET)):
                shown = ", ".join(map(str, window.sources))
                rejected.append(ExpertOutputError(f"Row {line!r} does not begin with one of the numbers {shown}."))
                continue
            facts.append(read_fact(match[2], turn))
        return ParsedExtraction(without_echoes(facts), tuple(rejected))

    def ask_update(self, fact: Fact, candidates: Sequence[Memory]) -> list[Ask]:
        new = written_fact(fact)
        return [Ask({"old": memory.text, "new": new}, tuple(LABELS)) for memory in candidates]

    def read_update(self, completions: Sequence[Completion], fact: Fact, candidates: Sequence[Memory]) -> Decision:
        """Turn the pairwise answers into one distribution over {ADD, NONE i, UPDATE i, DELETE i}.

        Each pair yields odds of its labels against ADD; the choices of all pairs compete on those odds. News concerns at
        most one of the memories shown, however many are shown, so each pair gets only its share of that probability; a
        request to forget does concern one. The decision's probability is its event's, whichever the target: two memories
        that say nearly the same must not halve it.
        """
        share = 0.0 if fact.retracts else math.log(len(candidates))
        choices: list[tuple[float, Event, str | None]] = [(0.0, Event.ADD, None)]
        for completion, memory in zip(completions, candidates, strict=True):
            unrelated, *others = (math.log(max(p, 1e-9)) for p in completion.probabilities)
            odds = {event: log - unrelated - share for event, log in zip(LABELS[1:], others, strict=True)}
            if odds[Event.NONE] - odds[Event.UPDATE] < SURE_OF_SAME:
                both = math.exp(odds[Event.NONE]) + math.exp(odds[Event.UPDATE])
                odds |= {Event.UPDATE: math.log(both), Event.NONE: -math.inf}
            choices += [(log, event, memory.id) for event, log in odds.items()]
        _, event, target = max(choices, key=lambda choice: choice[0])
        total = sum(math.exp(log) for log, _, _ in choices)
        same_event = sum(math.exp(log) for log, other, _ in choices if other is event)
        return Decision(event, fact, target, same_event / total)


def fact_row(number: int, sentence: str, *, retracts: bool = False) -> str:
    """Return the row that the extraction expert should write: `sentence` without its subject."""
    return f"{number} {FORGET_PREFIX if retracts else ''}{sentence}"


def read_fact(row: str, turn: Turn) -> Fact:
    """Return the fact of a row, with its subject restored."""
    retracts = row.startswith(_FORGET)
    rest = row.removeprefix(_FORGET).strip()
    subject = speaker_of(turn)
    subject = subject[:1].upper() + subject[1:]
    joint = "" if rest.startswith("'s ") else " "
    return Fact(f"{subject}{joint}{rest}", turn.id, turn.observed_at, retracts)
