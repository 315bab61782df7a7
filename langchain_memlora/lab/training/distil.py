"""Distils raw chats into training rows for the three text experts, with a teacher (arXiv 2512.04763, algorithm B2).

The stages follow the memory's own: the teacher extracts facts, decides for each on an operation in the bank it has built so
far, and answers questions from the finished bank. Replies, targets and reasons for drops are written to one file a role.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings

from langchain_memlora.bundles import Bundle, Role
from langchain_memlora.errors import InvalidInputError
from langchain_memlora.experts import UNKNOWN, cut_windows
from langchain_memlora.experts.dialects.base import written_fact
from langchain_memlora.experts.dialects.lines import Lines
from langchain_memlora.lab.training.bank import TaughtBank, UpdateTask
from langchain_memlora.lab.training.chats import Chat, ChatQuestion, transcript
from langchain_memlora.lab.training.cleaning import (
    clean_answer,
    clean_extraction,
    clean_questions,
    clean_update,
)
from langchain_memlora.lab.training.json_lines import write_lines
from langchain_memlora.lab.training.reading import INCLUDES
from langchain_memlora.lab.training.replies import Cleaned, Cleaning
from langchain_memlora.lab.training.row_files import RoleRows, write_rows
from langchain_memlora.lab.training.students import TaughtWindow, taught_answer, taught_extraction, taught_update
from langchain_memlora.lab.training.teacher import Bill, Reply, Teacher, teacher_prompt
from langchain_memlora.models import default_embeddings
from langchain_memlora.retrieval.dates import format_day
from langchain_memlora.types import Turn

QUESTIONS = "questions"
STAGES = (Role.EXTRACTION, QUESTIONS, Role.MEMORY_UPDATE, Role.GENERATION)
TOGETHER = 32  # chats whose banks are open at a time


@dataclass(frozen=True, slots=True)
class Record:
    """One reply of the teacher.

    Attributes:
        source: The chat, or the picture and the kind of question.
        key: Its key in `replies.jsonl`; empty where the gold answer was used.
        target: The cleaned reply.
        dropped: The reason if nothing was kept.
    """

    source: str
    key: str
    raw: str
    target: str
    dropped: str | None


@dataclass
class Distilled:
    """Records and rows of a run.

    Attributes:
        records: By stage.
        rows: By role, each with its chat.
    """

    bill: Bill
    records: dict[str, list[Record]] = field(default_factory=lambda: {str(stage): [] for stage in STAGES})
    rows: RoleRows = field(default_factory=dict)

    @property
    def dropped(self) -> Counter[str]:
        """Number of dropped replies, by stage."""
        return Counter({stage: sum(r.dropped is not None for r in found) for stage, found in self.records.items()})


def distil(
    chats: Sequence[Chat],
    teacher: Teacher,
    bundle: Bundle,
    out: Path,
    *,
    cleaning: Cleaning | None = None,
    questions: int = 3,
    embeddings: Embeddings | None = None,
) -> Distilled:
    """Have a teacher play the roles on raw chats, and write rows for students.

    A stopped run continues when called again with the same arguments: replies are read from `out/replies.jsonl`.

    Args:
        teacher: Should log to `out / "replies.jsonl"`, so that everything is in one folder.
        bundle: Its prompts, windows and dialect make the students' rows.
        out: Folder for `extraction.jsonl`, `memory_update.jsonl`, `generation.jsonl` and `questions.jsonl` (raw text, target,
            reason if dropped), `rows/ROLE.jsonl` (for `memlora train ROLE --rows`) and `report.json`.
        cleaning: The filters; default: all are on.
        questions: Number of questions the teacher writes for each sitting of a chat without questions.
        embeddings: For old memories and evidence; default: the package's own.

    Raises:
        InvalidInputError: There are no chats.
        EngineError: The teacher keeps failing.
    """
    if not chats:
        msg = "chats is empty. Pass at least one; docs/training.md shows the format."
        raise InvalidInputError(msg)
    run = _Distillation(teacher, bundle, cleaning or Cleaning(), embeddings or default_embeddings())
    sittings = {chat.id: chat.sittings() for chat in chats}
    taught = run.extract(sittings)
    asked = run.write_questions(chats, sittings, questions)
    run.update_and_answer(sittings, taught, asked)
    write_distilled(out, run.made)
    return run.made


class _Distillation:
    """One run, with its records and rows so far."""

    def __init__(self, teacher: Teacher, bundle: Bundle, cleaning: Cleaning, embeddings: Embeddings) -> None:
        self.teacher, self.bundle, self.cleaning, self.embeddings = teacher, bundle, cleaning, embeddings
        self.made = Distilled(teacher.bill)

    def extract(self, sittings: dict[str, list[list[Turn]]]) -> dict[str, list[TaughtWindow]]:
        """Extract the facts of every window, cut as `add` will cut them."""
        spec = self.bundle.card.window
        cut = [
            (chat, number, window)
            for chat, found in sittings.items()
            for number, sitting in enumerate(found)
            for window in cut_windows(sitting, new_turns=spec.new_turns, context_turns=spec.context_turns)
        ]
        self.teacher.watcher.stage(Role.EXTRACTION, len(cut))
        prompts = [
            teacher_prompt(
                Role.EXTRACTION,
                date=format_day(window.lines[-1].turn.observed_at.date()),
                dialogue=Lines().ask_extraction(window)[0].slots["dialogue"],
            )
            for _, _, window in cut
        ]
        taught: dict[str, list[TaughtWindow]] = {chat: [] for chat in sittings}
        by_sitting: dict[tuple[str, int], list[TaughtWindow]] = {}
        for (chat, number, window), reply in zip(cut, self.teacher.ask(Role.EXTRACTION, prompts), strict=True):
            cleaned = self._kept(
                Role.EXTRACTION, chat, reply, reply.error or clean_extraction(reply.text, window, self.cleaning)
            )
            taught[chat].append(TaughtWindow(window, cleaned))
            by_sitting.setdefault((chat, number), []).append(taught[chat][-1])
        for (chat, number), windows in by_sitting.items():
            self._add_rows(Role.EXTRACTION, chat, taught_extraction(self.bundle, sittings[chat][number], windows))
        return taught

    def write_questions(
        self, chats: Sequence[Chat], sittings: dict[str, list[list[Turn]]], count: int
    ) -> dict[str, list[ChatQuestion]]:
        """Return the chats' own questions, or the teacher's where a chat has none."""
        asked = {chat.id: list(chat.questions) for chat in chats}
        silent = [(chat.id, turns) for chat in chats if not chat.questions and count > 0 for turns in sittings[chat.id]]
        self.teacher.watcher.stage(QUESTIONS, len(silent))
        prompts = [
            teacher_prompt(
                QUESTIONS, count=str(count), date=format_day(turns[0].observed_at.date()), dialogue=transcript(turns)
            )
            for _, turns in silent
        ]
        for (chat, _), reply in zip(silent, self.teacher.ask(QUESTIONS, prompts), strict=True):
            cleaned = self._kept(QUESTIONS, chat, reply, reply.error or clean_questions(reply.text))
            known = {question.question for question in asked[chat]}
            asked[chat] += [ChatQuestion(question=text) for text in cleaned.value or () if text not in known]
        return asked

    def update_and_answer(
        self,
        sittings: dict[str, list[list[Turn]]],
        taught: dict[str, list[TaughtWindow]],
        asked: dict[str, list[ChatQuestion]],
    ) -> None:
        """Build a bank of each chat, a window at a time in all open banks, then ask its questions."""
        self.teacher.watcher.stage(
            Role.MEMORY_UPDATE, sum(bool(w.facts) for windows in taught.values() for w in windows)
        )
        self.teacher.watcher.stage(Role.GENERATION, sum(map(len, asked.values())))
        with_turns = [chat for chat, found in sittings.items() if found]
        for start in range(0, len(with_turns), TOGETHER):
            with ExitStack() as stack:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                banks = {}
                for number, chat in enumerate(with_turns[start : start + TOGETHER]):
                    turns = [turn for sitting in sittings[chat] for turn in sitting]
                    bank = TaughtBank(folder / f"{number}.sqlite3", turns[0].scope, turns, self.embeddings)
                    banks[chat] = stack.enter_context(bank)
                self._update(banks, {chat: [w for w in taught[chat] if w.facts] for chat in banks})
                self._answer(banks, {chat: asked[chat] for chat in banks})

    def _update(self, banks: dict[str, TaughtBank], windows: dict[str, list[TaughtWindow]]) -> None:
        for number in range(max(map(len, windows.values()), default=0)):
            tasks = {c: banks[c].task(w[number].facts, w[number].window) for c, w in windows.items() if number < len(w)}
            open_tasks = {chat: task for chat, task in tasks.items() if task.shown}
            for chat, task in tasks.items():
                if chat not in open_tasks:  # nothing is known yet, so every fact is new
                    banks[chat].apply(task, None)
                    self.teacher.watcher.step(Role.MEMORY_UPDATE)
            replies = self.teacher.ask(Role.MEMORY_UPDATE, [_update_prompt(task) for task in open_tasks.values()])
            for (chat, task), reply in zip(open_tasks.items(), replies, strict=True):
                read = reply.error or clean_update(reply.text, task.facts, task.shown, self.cleaning)
                cleaned = self._kept(Role.MEMORY_UPDATE, chat, reply, read)
                banks[chat].apply(task, cleaned.value)
                if not cleaned.dropped:
                    self._add_rows(Role.MEMORY_UPDATE, chat, taught_update(self.bundle, task, cleaned))

    def _answer(self, banks: dict[str, TaughtBank], asked: dict[str, list[ChatQuestion]]) -> None:
        read = [
            (chat, question, _context(banks[chat], question.question, f"{chat}/{number}"))
            for chat, questions in asked.items()
            for number, question in enumerate(questions)
        ]
        golden = [case for case in read if self.cleaning.gold and case[1].has_gold]
        for chat, question, context in golden:
            answer = question.answer or UNKNOWN
            self.made.records[Role.GENERATION].append(Record(chat, "", "", answer, None))
            self._add_rows(Role.GENERATION, chat, [taught_answer(self.bundle, context, question.question, answer)])
            self.teacher.watcher.step(Role.GENERATION)
        others = [case for case in read if case not in golden]
        prompts = [teacher_prompt(Role.GENERATION, context=c, question=q.question) for _, q, c in others]
        for (chat, question, context), reply in zip(others, self.teacher.ask(Role.GENERATION, prompts), strict=True):
            cleaned = self._kept(Role.GENERATION, chat, reply, reply.error or clean_answer(reply.text, self.cleaning))
            if not cleaned.dropped:
                row = taught_answer(self.bundle, context, question.question, cleaned.target)
                self._add_rows(Role.GENERATION, chat, [row])

    def _kept(self, stage: str, chat: str, reply: Reply, read: Cleaned | str) -> Cleaned:
        """Record a reply; a string is the error of the call."""
        cleaned = Cleaned(dropped=f"the teacher failed: {read}") if isinstance(read, str) else read
        self.made.records[stage].append(Record(chat, reply.key, reply.text, cleaned.target, cleaned.dropped))
        return cleaned

    def _add_rows(self, role: Role, chat: str, rows: Iterable[Any]) -> None:
        self.made.rows.setdefault(role, []).extend((row, chat) for row in rows)


def _update_prompt(task: UpdateTask) -> str:
    known = [{"id": str(position), "text": memory.text} for position, memory in enumerate(task.shown)]
    new = [{"fact": number, "text": written_fact(fact)} for number, fact in enumerate(task.facts, 1)]
    return teacher_prompt(
        Role.MEMORY_UPDATE,
        memories=json.dumps(known, ensure_ascii=False),
        facts=json.dumps(new, ensure_ascii=False),
    )


def _context(bank: TaughtBank, question: str, seed: str) -> str:
    """Return a context of random size and kind, as in `reading`; always the same for the same question."""
    rng = random.Random(seed)
    k, budget, include = rng.choice((4, 6, 8, 8)), rng.choice((150, 250, 400)), rng.choice(INCLUDES)
    return bank.read(question, k=k, budget=budget, include=include)


def write_distilled(out: Path, made: Distilled) -> None:
    """Write records, rows and report."""
    for stage, records in made.records.items():
        write_lines(out / f"{stage}.jsonl", [asdict(record) for record in records])
    for role, rows in made.rows.items():
        write_rows(out / "rows" / f"{role}.jsonl", rows)
    report = {
        "bill": vars(made.bill),
        "replies": {stage: len(records) for stage, records in made.records.items()},
        "dropped": dict(made.dropped),
        "rows": {role.value: len(rows) for role, rows in made.rows.items()},
    }
    (out / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
