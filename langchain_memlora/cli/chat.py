"""`memlora chat`: a conversation with a memory that survives restarts."""

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
from langchain_memlora.cli.output import (
    answer_text,
    clean,
    console,
    history_table,
    memories_table,
    operation_line,
    print_error,
    result_lines,
    sources_line,
    spinner,
)
from langchain_memlora.cli.setting import Setting
from langchain_memlora.errors import InvalidInputError, MemLoRAError

if TYPE_CHECKING:
    from langchain_memlora.memory.memory import MemLoRAMemory

HELP = """Tell me something, or ask. Every message is remembered.
/memories    what I know of you
/delete ID   delete a memory (the first characters of its id are enough)
/history     all changes to the memories
/help        show this help
/quit        leave; everything stays remembered"""


def chat(
    ctx: typer.Context,
    user: Annotated[str, typer.Option("--user", "-u", envvar="MEMLORA_USER", help="The user who is talking.")] = "me",
) -> None:
    """Talk to a memory that survives restarts."""
    setting: Setting = ctx.obj
    out = console()
    interactive = sys.stdin.isatty()
    failed = False
    with setting.open() as memory:
        with spinner(out, "loading the experts"):
            memory.warm()
        conversation = Conversation(memory, user, f"chat {datetime.now(UTC).isoformat(timespec='seconds')}", out)
        if interactive:
            known = len(memory.get_all(user_id=user))
            greeting = f"Hello, {clean(user)}. I remember {known} things in {memory.path}. /help shows commands."
            out.print(Text(greeting, "dim"))
        for line in _lines(interactive):
            try:
                if not conversation.handle(line):
                    break
            except MemLoRAError as error:  # one failed line must not end the conversation
                print_error(error)
                failed = True
    if failed and not interactive:
        raise typer.Exit(1)


@dataclass(frozen=True)
class Conversation:
    """A conversation of one user with the memory."""

    memory: MemLoRAMemory
    user: str
    thread: str
    out: Console

    def handle(self, line: str) -> bool:
        """Handle one line; return `False` to end the conversation."""
        line = line.strip()
        if line.startswith("/"):
            return self._run(*line.split(maxsplit=1))
        if not line:
            return True
        from langchain_memlora.intake.messages import (
            is_question,  # imports langchain-core, which `--help` does not need
        )

        if is_question(line):
            with spinner(self.out, "reading"):
                answer = self.memory.answer(line, user_id=self.user)
            self.out.print(Text(answer_text(answer)))
            self.out.print(sources_line(answer))
        with spinner(self.out, "remembering"):
            result = self.memory.add(line, user_id=self.user, thread_id=self.thread)
        for said in result_lines(result):
            self.out.print(said, style="dim")
        return True

    def _run(self, command: str, argument: str = "") -> bool:
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
                self.out.print(history_table(operations) if operations else Text("No changes yet.", "dim"))
            case "/delete":
                chosen = find_id(self.memory, argument.strip(), self.user)
                self.out.print(operation_line(self.memory.delete(chosen, user_id=self.user)))
            case _:
                msg = f"{command!r} is not a command. /help lists all commands."
                raise InvalidInputError(msg)
        return True


def _lines(interactive: bool) -> Iterator[str]:
    """Yield lines as they are typed, or those of a pipe."""
    if not interactive:
        yield from sys.stdin
        return
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - adds arrow keys and a history to `input`

    while True:
        try:
            yield input("> ")
        except EOFError:
            return
