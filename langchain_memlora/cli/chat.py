"""`memlora chat`: talk to a memory that is still there tomorrow."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from langchain_memlora.cli.ids import find_id
from langchain_memlora.cli.setting import Setting
from langchain_memlora.cli.show import (
    add_lines,
    answer_text,
    busy,
    clean,
    console,
    history_table,
    memories_table,
    operation_line,
    print_error,
    read_line,
)
from langchain_memlora.errors import InvalidInputError, MemLoRAError

if TYPE_CHECKING:
    from langchain_memlora.memory.memory import MemLoRAMemory

HELP = """Tell me things, or ask. Everything you say is remembered.
/memories    what I know of you
/delete ID   delete a memory (the beginning of its id is enough)
/history     what happened to the memories
/help        this
/quit        good-bye; I will still know you next time"""


def chat(
    ctx: typer.Context,
    user: Annotated[str, typer.Option("--user", "-u", envvar="MEMLORA_USER", help="Who is talking.")] = "me",
) -> None:
    """Talk to a memory that survives restarts."""
    setting: Setting = ctx.obj
    out = console()
    watched = sys.stdin.isatty()
    failed = False
    with setting.open() as memory:
        with busy(out, "loading the experts"):
            memory.warm()
        talk = Talk(memory, user, f"chat {datetime.now(UTC).isoformat(timespec='seconds')}", out)
        if watched:
            known = len(memory.get_all(user_id=user))
            greeting = f"Hello, {clean(user)}. I remember {known} things in {memory.path}. /help shows commands."
            out.print(Text(greeting, "dim"))
        for line in _lines(watched):
            try:
                if not talk.hear(line):
                    break
            except MemLoRAError as error:  # one line that went wrong should not end the conversation
                print_error(error)
                failed = True
    if failed and not watched:
        raise typer.Exit(1)


@dataclass(frozen=True)
class Talk:
    """One conversation."""

    memory: MemLoRAMemory
    user: str
    thread: str
    out: Console

    def hear(self, line: str) -> bool:
        """Take one line; `False` ends the conversation."""
        line = line.strip()
        if line.startswith("/"):
            return self._obey(*line.split(maxsplit=1))
        if not line:
            return True
        from langchain_memlora.intake.messages import (
            is_question,  # it brings langchain-core, which `--help` can do without
        )

        if is_question(line):
            with busy(self.out, "reading"):
                answer = self.memory.answer(line, user_id=self.user)
            self.out.print(Text(answer_text(answer)))
            self.out.print(read_line(answer))
        with busy(self.out, "remembering"):
            result = self.memory.add(line, user_id=self.user, thread_id=self.thread)
        for said in add_lines(result):
            self.out.print(said, style="dim")
        return True

    def _obey(self, command: str, argument: str = "") -> bool:
        match command:
            case "/quit" | "/exit":
                return False
            case "/help":
                self.out.print(Text(HELP))
            case "/memories":
                memories = self.memory.get_all(user_id=self.user)
                self.out.print(memories_table(memories) if memories else Text("No memories yet.", "dim"))
            case "/history":
                operations = self.memory.history(user_id=self.user)
                self.out.print(history_table(operations) if operations else Text("Nothing happened yet.", "dim"))
            case "/delete":
                chosen = find_id(self.memory, argument.strip(), self.user)
                self.out.print(operation_line(self.memory.delete(chosen, user_id=self.user)))
            case _:
                msg = f"{command!r} is not a command. /help shows those there are."
                raise InvalidInputError(msg)
        return True


def _lines(watched: bool) -> Iterator[str]:
    """Lines as they are typed, or those of a pipe."""
    if not watched:
        yield from sys.stdin
        return
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - gives `input` arrow keys and a history

    while True:
        try:
            yield input("> ")
        except EOFError:
            return
