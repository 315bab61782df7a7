"""Plays a script through a memory and checks the answers. It prints nothing; `memlora demo` and tests use it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from langchain_memlora.experts.usage import plus
from langchain_memlora.lab.scripts.script import Script, ScriptQuestion, ScriptSession, ScriptTurn
from langchain_memlora.types import AddResult, Answer, Usage

if TYPE_CHECKING:
    from langchain_memlora.memory.memory import MemLoRAMemory


@dataclass(frozen=True, slots=True)
class Began:
    """A session begins; sessions are counted from 1."""

    number: int
    session: ScriptSession


@dataclass(frozen=True, slots=True)
class Said:
    """An exchange is about to be added."""

    turns: tuple[ScriptTurn, ...]


@dataclass(frozen=True, slots=True)
class Remembered:
    """The exchange was added."""

    result: AddResult


@dataclass(frozen=True, slots=True)
class Asked:
    """A question is about to be answered; questions are counted from 1."""

    number: int
    question: ScriptQuestion


@dataclass(frozen=True, slots=True)
class Answered:
    """The question was answered."""

    question: ScriptQuestion
    answer: Answer
    passed: bool


Step = Began | Said | Remembered | Asked | Answered


@dataclass(frozen=True, slots=True)
class Played:
    """Outcome of a script."""

    script: Script
    results: tuple[AddResult, ...]
    answers: tuple[Answered, ...]

    @property
    def passed(self) -> int:
        """Number of answers that were as expected."""
        return sum(answered.passed for answered in self.answers)

    @property
    def usage(self) -> list[Usage]:
        """Cost of each graph node."""
        return sum_usage(usage for part in self._parts() for usage in part.usage)

    @property
    def seconds(self) -> float:
        """Seconds that the memory worked."""
        return sum(part.seconds for part in self._parts())

    def _parts(self) -> list[AddResult | Answer]:
        return [*self.results, *(answered.answer for answered in self.answers)]


def steps(script: Script, memory: MemLoRAMemory) -> Iterator[Step]:
    """Play a script step by step; each step is yielded before the next one is computed.

    The memory should have nothing of the script's user yet.
    """
    for number, session in enumerate(script.sessions, 1):
        yield Began(number, session)
        for turns in session.exchanges:
            yield Said(turns)
            messages = [turn.message for turn in turns]
            at, thread = session.observed_at, str(number)
            yield Remembered(memory.add(messages, user_id=script.user_id, observed_at=at, thread_id=thread))
    for number, question in enumerate(script.questions, 1):
        yield Asked(number, question)
        answer = memory.answer(question.ask, user_id=script.user_id)
        yield Answered(question, answer, question.passes(answer.text))


def collect(script: Script, played: Iterable[Step]) -> Played:
    """Collect the steps of a script."""
    every = list(played)
    results = tuple(step.result for step in every if isinstance(step, Remembered))
    return Played(script, results, tuple(step for step in every if isinstance(step, Answered)))


def play(script: Script, memory: MemLoRAMemory) -> Played:
    """Play a whole script.

    Example:
        ```python
        from langchain_memlora import MemLoRAMemory
        from langchain_memlora.lab.scripts.player import play
        from langchain_memlora.lab.scripts.script import demo_script, load_script

        with MemLoRAMemory(path="/tmp/memlora-demo") as memory:
            played = play(load_script(demo_script()), memory)
            print(played.passed, "of", len(played.answers))
        ```
    """
    return collect(script, steps(script, memory))


def sum_usage(usages: Iterable[Usage]) -> list[Usage]:
    """Return one usage for each stage, in order of first appearance."""
    sums: dict[str, Usage] = {}
    for usage in usages:
        known = sums.get(usage.stage)
        sums[usage.stage] = usage if known is None else plus(known, usage)
    return list(sums.values())
