"""Asks a teacher, any LangChain chat model, with long prompts and pictures; each prompt once.

Every reply is logged as soon as it comes, under a hash of teacher, role, prompt and picture. A killed run therefore continues
when started again with the same log, and no prompt is paid for twice.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any, Protocol

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage

from langchain_memlora.errors import EngineError

MILLION = 1_000_000
GIVE_UP_AFTER = 8
QUEUED = 4  # times the concurrency


class Watcher(Protocol):
    """Receives the progress of a run."""

    def stage(self, name: str, total: int) -> None:
        """A stage of `total` steps begins."""

    def step(self, name: str) -> None:
        """One step of the stage is done."""


class NoProgress:
    """No-op progress callback."""

    def stage(self, name: str, total: int) -> None:
        """See `Watcher`."""

    def step(self, name: str) -> None:
        """See `Watcher`."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The teacher's reply to one prompt.

    Attributes:
        key: Hash of teacher, role, prompt and picture.
        error: The reason if the call failed; the next run asks again.
    """

    key: str
    role: str
    text: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    error: str | None = None


@dataclass
class Bill:
    """Calls and cost of a run.

    Attributes:
        asked: Calls made, by role.
        known: Replies from earlier runs, by role.
        failed: Failed calls, by role.
        input_tokens: Of this run's calls, as the model reports them; so are `output_tokens`.
        dollars: Of this run's calls; `None` if no price was given.
        dollars_before: Cost of the replies of earlier runs at this price.
    """

    asked: Counter[str] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    input_tokens: int = 0
    output_tokens: int = 0
    dollars: float | None = None
    dollars_before: float | None = None


class Teacher:
    """A chat model that plays the roles.

    Args:
        model: Any LangChain chat model; retries are its own setting.
        log: JSON lines of replies; read at the start, appended to at every reply.
        concurrency: Calls at a time, through the model's own batching.
        price: Dollars for a million input tokens and for a million output tokens.
        watcher: Receives the progress.

    Attributes:
        bill: Calls, tokens, cost and failures so far.

    Example:
        ```python
        from pathlib import Path
        from langchain_core.language_models import FakeListChatModel
        from langchain_memlora.lab.training.teacher import Teacher

        teacher = Teacher(FakeListChatModel(responses=["Rome"]), Path("/tmp/memlora-replies.jsonl"))
        assert teacher.ask("generation", ["Where is the Colosseum?"])[0].text == "Rome"
        ```
    """

    def __init__(
        self,
        model: BaseChatModel,
        log: Path,
        *,
        concurrency: int = 8,
        price: tuple[float, float] | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        self.model = model
        self.name = teacher_name(model)
        self.log = log
        self.concurrency = concurrency
        self.price = price
        self.watcher = watcher or NoProgress()
        self._known = _read_log(log)
        self._failed_in_a_row = 0
        self.bill = Bill()
        if price is not None:
            self.bill.dollars = 0.0
            self.bill.dollars_before = sum(map(self._dollars, self._known.values()))

    def ask(self, role: str, prompts: Sequence[str], pictures: Sequence[bytes] = ()) -> list[Reply]:
        """Return replies to all prompts, in order. A failed call is a reply with an error, and is counted.

        Args:
            pictures: For a vision-language teacher, one for each prompt: PNG or JPEG, as `intake.as_picture` returns it.

        Raises:
            EngineError: Several calls in a row failed. Earlier replies are kept.
        """
        shown = pictures or [b""] * len(prompts)
        given = list(zip(prompts, shown, strict=True))
        keys = [self.key(role, prompt, picture) for prompt, picture in given]
        known = [key for key in keys if key in self._known]
        new = {key: asked for key, asked in zip(keys, given, strict=True) if key not in self._known}
        self.bill.known[role] += len(known)
        for _ in range(len(keys) - len(new)):  # including repeated prompts, which are asked once
            self.watcher.step(role)
        failed: dict[str, Reply] = {}
        order = list(new)
        for start in range(0, len(order), QUEUED * self.concurrency):
            for reply in self._call(role, order[start : start + QUEUED * self.concurrency], new):
                (failed if reply.error else self._known)[reply.key] = reply
                self.watcher.step(role)
        return [self._known.get(key) or failed[key] for key in keys]

    def _call(self, role: str, keys: Sequence[str], asked: Mapping[str, tuple[str, bytes]]) -> Iterator[Reply]:
        """Yield replies as they come. Few calls are queued, so that few are still made after the run should stop."""
        settings: Any = {"max_concurrency": self.concurrency, "tags": ["nostream"]}
        given = [_input(*asked[key]) for key in keys]
        replies: Any = self.model.batch_as_completed(given, settings, return_exceptions=True)  # a generator
        with closing(replies) as coming:
            for position, out in coming:
                yield self._taken(keys[position], role, out)

    def key(self, role: str, prompt: str, picture: bytes = b"") -> str:
        """Return the key under which a reply is logged."""
        seen = [hashlib.sha256(picture).hexdigest()] if picture else []
        return hashlib.sha256(json.dumps([self.name, role, prompt, *seen]).encode()).hexdigest()[:32]

    def _taken(self, key: str, role: str, out: AIMessage | Exception) -> Reply:
        """Count and log a reply before it is used."""
        self.bill.asked[role] += 1
        if isinstance(out, Exception):
            self.bill.failed[role] += 1
            self._failed_in_a_row += 1
            if self._failed_in_a_row >= GIVE_UP_AFTER:
                msg = (
                    f"The last {GIVE_UP_AFTER} calls to {self.name} failed, the last one with {_brief(out)}. "
                    f"Earlier replies are kept in {self.log}; fix the cause and run again."
                )
                raise EngineError(msg) from out
            return Reply(key, role, error=_brief(out))
        self._failed_in_a_row = 0
        used = out.usage_metadata or {"input_tokens": 0, "output_tokens": 0}
        reply = Reply(key, role, str(out.text), used["input_tokens"], used["output_tokens"])
        self.bill.input_tokens += reply.input_tokens
        self.bill.output_tokens += reply.output_tokens
        if self.bill.dollars is not None:
            self.bill.dollars += self._dollars(reply)
        _append(self.log, reply)
        return reply

    def _dollars(self, reply: Reply) -> float:
        per_input, per_output = self.price or (0.0, 0.0)
        return (reply.input_tokens * per_input + reply.output_tokens * per_output) / MILLION


def _input(prompt: str, picture: bytes) -> str | list[HumanMessage]:
    """Return the model's input: the prompt, after the picture if there is one."""
    if not picture:
        return prompt
    kind = "image/png" if picture.startswith(b"\x89PNG") else "image/jpeg"
    shown = {"type": "image", "base64": base64.b64encode(picture).decode(), "mime_type": kind}
    return [HumanMessage([shown, {"type": "text", "text": prompt}])]


def teacher_name(model: BaseChatModel) -> str:
    """Return the name of a model: its maker's, else its class."""
    name = getattr(model, "model_name", None) or getattr(model, "model", None)
    return str(name) if isinstance(name, str) and name else type(model).__name__


def teacher_prompt(name: str, **slots: str) -> str:
    """Fill a long prompt from `prompts/`. Slots are `$name`, since the prompts have braces of JSON."""
    file = resources.files("langchain_memlora") / "lab" / "training" / "prompts" / f"{name}.txt"
    return Template(file.read_text(encoding="utf-8").rstrip("\n")).substitute(slots)


def _read_log(path: Path) -> dict[str, Reply]:
    """Return the replies of earlier runs, without a last line that was cut off when a run was killed."""
    known: dict[str, Reply] = {}
    for line in path.read_bytes().split(b"\n") if path.exists() else ():
        try:
            reply = Reply(**json.loads(line))
        except (ValueError, TypeError):
            continue
        known[reply.key] = reply
    return known


def _append(path: Path, reply: Reply) -> None:
    """Append and sync a line; after a half-written one, begin a new line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        torn = file.seek(0, os.SEEK_END) > 0 and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n"
        file.write((b"\n" if torn else b"") + json.dumps(asdict(reply)).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
