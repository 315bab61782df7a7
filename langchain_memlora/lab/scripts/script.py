"""Scripts: dated conversations with questions at the end, in YAML. `demo.yaml` is one.

A turn is one key and its words. The key is `user`, `assistant`, or the name of a speaker in a group.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from langchain_memlora.errors import InvalidInputError

Words = Annotated[str, Field(min_length=1, pattern=r"\S")]


class ScriptTurn(BaseModel):
    """One message.

    Attributes:
        by: `user`, `assistant` or a name.
    """

    model_config = ConfigDict(extra="forbid")

    by: Words
    text: Words

    @model_validator(mode="before")
    @classmethod
    def _from_pair(cls, given: Any) -> Any:
        if not isinstance(given, dict) or len(given) != 1:
            msg = "a turn is one speaker and the words, like `- user: Hello`"
            raise ValueError(msg)
        ((by, text),) = given.items()
        known = isinstance(by, str) and by.casefold() in {"user", "assistant"}
        return {"by": by.casefold() if known else by, "text": text}

    @property
    def name(self) -> str | None:
        """Name of the speaker, if there is one."""
        return None if self.by in {"user", "assistant"} else self.by

    @property
    def message(self) -> dict[str, str]:
        """The turn as `memory.add` takes it."""
        if self.name:
            return {"role": "user", "name": self.name, "content": self.text}
        return {"role": self.by, "content": self.text}


class ScriptSession(BaseModel):
    """Turns of one day."""

    model_config = ConfigDict(extra="forbid")

    date: datetime
    turns: list[ScriptTurn] = Field(min_length=1)

    @field_validator("date", mode="before")
    @classmethod
    def _is_written_out(cls, given: Any) -> Any:
        if not isinstance(given, str | date):  # pydantic would take a number for seconds since 1970
            msg = "write the date like 2024-05-06 18:30"
            raise ValueError(msg)
        return given

    @property
    def observed_at(self) -> datetime:
        """Time of the session; UTC if the script names no zone."""
        return self.date if self.date.tzinfo else self.date.replace(tzinfo=UTC)

    @property
    def exchanges(self) -> list[tuple[ScriptTurn, ...]]:
        """The turns as a memory gets them: up to the assistant's reply; named speakers one by one."""
        parts: list[list[ScriptTurn]] = [[]]
        for turn, following in zip(self.turns, [*self.turns[1:], None], strict=True):
            parts[-1].append(turn)
            answered = following is not None and following.by == "assistant"
            if turn.by == "assistant" or (turn.name and not answered):
                parts.append([])
        return [tuple(part) for part in parts if part]


class ScriptQuestion(BaseModel):
    """A question and the check of its answer: it has one of `expect` and none of `reject`, ignoring case.

    Attributes:
        shows: The ability that a right answer demonstrates.
    """

    model_config = ConfigDict(extra="forbid")

    ask: Words
    expect: list[Words] = []
    reject: list[Words] = []
    shows: str = ""

    @model_validator(mode="after")
    def _has_a_check(self) -> ScriptQuestion:
        if not self.expect and not self.reject:
            msg = "a question needs `expect` or `reject`"
            raise ValueError(msg)
        return self

    def passes(self, answer: str) -> bool:
        """Return whether an answer is as expected. It gets a full stop, so that `no.` is found in "no" but not in "now"."""
        said = f"{answer.casefold().rstrip(' .')}." if answer.strip() else ""
        right = not self.expect or any(words.casefold() in said for words in self.expect)
        return right and not any(words.casefold() in said for words in self.reject)


class Script(BaseModel):
    """A whole script."""

    model_config = ConfigDict(extra="forbid")

    title: Words
    user_id: Words
    sessions: list[ScriptSession] = Field(min_length=1)
    questions: list[ScriptQuestion] = []


def load_script(path: Path) -> Script:
    """Read a script.

    Raises:
        InvalidInputError: It can't be read; the message names the file and what is wrong.
    """
    import yaml

    try:
        return Script.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        wrong = "; ".join(f"{_place(e['loc'])}{_said(e)}" for e in error.errors()[:3])
        why = f"is not a script: {wrong}"
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        why = f"can't be read: {' '.join(str(error).split())}"
    msg = f"{path} {why}. See langchain_memlora/lab/scripts/demo.yaml for an example."
    raise InvalidInputError(msg)


def demo_script() -> Path:
    """Return the path of the default script."""
    return Path(str(resources.files("langchain_memlora"))) / "lab" / "scripts" / "demo.yaml"


def script_files(given: Sequence[Path]) -> list[Path]:
    """Return the given files, and the scripts in the given folders.

    Raises:
        InvalidInputError: A folder has no scripts.
    """
    found = []
    for path in given:
        inside = sorted(p for p in path.glob("*") if p.suffix in {".yaml", ".yml"}) if path.is_dir() else [path]
        if not inside:
            msg = f"{path} has no *.yaml files. Pass a script or a folder with scripts."
            raise InvalidInputError(msg)
        found += inside
    return found


def _place(location: Sequence[str | int]) -> str:
    """Return `sessions 1, turns 3: ` for ("sessions", 0, "turns", 2), counted from 1."""
    words: list[str] = []
    for part in location:
        if isinstance(part, int) and words:
            words[-1] += f" {part + 1}"
        else:
            words.append(str(part))
    return ", ".join(words) + ": " if words else ""


def _said(error: Any) -> str:
    return error["msg"].removeprefix("Value error, ")
