"""Asks a teacher on a Ray cluster. Only its replies come back; `distil` then makes the rows from them, here."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from langchain_core.language_models import BaseChatModel

from langchain_memlora.bundles import Bundle
from langchain_memlora.errors import EngineError, MemLoRAError
from langchain_memlora.lab.training.chats import Chat
from langchain_memlora.lab.training.distil import distil
from langchain_memlora.lab.training.teacher import Teacher
from langchain_memlora.memory.on_ray import spread


def ask_on_ray(
    chats: Sequence[Chat],
    open_model: Callable[[], BaseChatModel],
    bundle: Bundle,
    log: Path,
    *,
    actors: int = 2,
    concurrency: int = 8,
    **options: Any,
) -> None:
    """Collect a teacher's replies about chats, one chat an actor, into the log that `Teacher` reads.

    The replies of a chat are logged when all of its prompts were answered. Known replies are not asked for again, so a
    stopped run continues.

    Args:
        open_model: Opens the teacher in an actor's process.
        log: `replies.jsonl` of the folder that `distil` is called with afterwards, with the same options.
        concurrency: Calls at a time, for each actor.
        options: Those of `distil`.

    Raises:
        EngineError: The teacher keeps failing. Earlier replies are kept.
        MissingExtraError: Ray is not installed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    known = log.read_bytes() if log.exists() else b""
    problems = []
    with log.open("ab") as file:
        for row in spread(chats, _Asker, (open_model, bundle, known, concurrency, options), actors):
            file.write(row["replies"])
            file.flush()
            problems += [row["problem"]] if row["problem"] else []
    if problems:
        raise EngineError(problems[0])


class _Asker:
    """Asks about one chat after another in a process of Ray's, with the replies known at the start."""

    def __init__(
        self,
        open_model: Callable[[], BaseChatModel],
        bundle: Bundle,
        known: bytes,
        concurrency: int,
        options: Mapping[str, Any],
    ) -> None:
        self._folder = TemporaryDirectory()
        self._log = Path(self._folder.name) / "replies.jsonl"
        self._log.write_bytes(known)
        self._teacher = Teacher(open_model(), self._log, concurrency=concurrency)
        self._bundle, self._options = bundle, options

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        before, problem = self._log.stat().st_size, ""
        try:
            distil(
                [pickle.loads(row["work"])],
                self._teacher,
                self._bundle,
                Path(self._folder.name) / "made",
                **self._options,
            )
        except MemLoRAError as error:
            problem = str(error)
        return {"replies": self._log.read_bytes()[before:], "problem": problem}
