"""The memory's methods as commands: add, search, answer, list, history, restore, delete, forget."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from langchain_memlora.cli.ids import find_id
from langchain_memlora.cli.output import (
    answer_text,
    clean,
    console,
    day,
    history_table,
    memories_table,
    operation_line,
    print_json,
    result_lines,
    said_at,
    short,
    sources_line,
)
from langchain_memlora.cli.setting import Setting
from langchain_memlora.errors import InvalidInputError

User = Annotated[str, typer.Option("--user", "-u", envvar="MEMLORA_USER", help="The user who owns the memory.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask for confirmation.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="The id, or its first characters.")]


def add(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(help="The user's message.")],
    user: User,
    at: Annotated[str | None, typer.Option(help="Time of the message: an ISO date, local without a zone.")] = None,
    thread: Annotated[str, typer.Option(help="The conversation's id.")] = "",
    as_json: Json = False,
) -> None:
    """Add a message to the memory."""
    setting: Setting = ctx.obj
    moment = _moment(at) if at else None
    with setting.open() as memory:
        observed_at = memory.clock.read(moment) if moment else None
        result = memory.add(text, user_id=user, observed_at=observed_at, thread_id=thread)
    if as_json:
        print_json(result)
    else:
        for line in result_lines(result):
            console().print(line)
    if result.status == "failed":
        raise typer.Exit(1)


def search(
    ctx: typer.Context,
    query: Annotated[str, typer.Argument(help="Text to search for.")],
    user: User,
    k: Annotated[int, typer.Option("-k", help="Maximum number of hits.")] = 5,
    as_json: Json = False,
) -> None:
    """Find memories and messages, best first."""
    setting: Setting = ctx.obj
    with setting.open() as memory:
        hits = memory.search(query, user_id=user, k=k)
    if as_json:
        print_json(hits)
        return
    out = console()
    for hit in hits:
        kind = short(hit.memory.id) if hit.memory else "message"
        old = "  (superseded)" if hit.replaced_by else ""
        out.print(Text.assemble(clean(hit.text), (f"  {kind}, {day(said_at(hit))}{old}", "dim")))
    if not hits:
        out.print(Text("Nothing found.", "dim"))


def answer(
    ctx: typer.Context,
    question: Annotated[str, typer.Argument(help="The question.")],
    user: User,
    as_json: Json = False,
) -> None:
    """Answer a question from memory."""
    setting: Setting = ctx.obj
    with setting.open() as memory:
        found = memory.answer(question, user_id=user)
    if as_json:
        print_json(found)
        return
    out = console()
    out.print(Text(answer_text(found)))
    out.print(sources_line(found))


def list_(ctx: typer.Context, user: User, as_json: Json = False) -> None:
    """Show all memories."""
    setting: Setting = ctx.obj
    with setting.open() as memory:
        memories = memory.get_all(user_id=user)
    if as_json:
        print_json(memories)
    else:
        console().print(memories_table(memories) if memories else Text("No memories yet.", "dim"))


def history(
    ctx: typer.Context,
    user: User,
    memory_id: Annotated[str | None, typer.Argument(metavar="ID", help="Only the history of this memory.")] = None,
    as_json: Json = False,
) -> None:
    """Show the history of a memory, or of all, oldest first."""
    setting: Setting = ctx.obj
    with setting.open() as memory:
        chosen = find_id(memory, memory_id, user, deleted=True) if memory_id else None
        operations = memory.history(chosen, user_id=user)
    if as_json:
        print_json(operations)
    else:
        console().print(history_table(operations) if operations else Text("No changes yet.", "dim"))


def restore(ctx: typer.Context, memory_id: Id, user: User, as_json: Json = False) -> None:
    """Undo the last change to a memory: its deletion or its last update."""
    setting: Setting = ctx.obj
    with setting.open() as memory:
        operation = memory.restore(find_id(memory, memory_id, user, deleted=True), user_id=user)
    print_json(operation) if as_json else console().print(operation_line(operation))


def delete(
    ctx: typer.Context,
    user: User,
    memory_id: Annotated[str | None, typer.Argument(metavar="ID", help="The id, or its first characters.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Delete all memories of this user.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Delete a memory, or all memories of a user. `memlora restore` undoes it."""
    if bool(memory_id) == everything:
        msg = f"ID={memory_id!r} and --all={everything} were given. Pass either the id of a memory or --all."
        raise InvalidInputError(msg)
    setting: Setting = ctx.obj
    with setting.open() as memory:
        if memory_id:
            operation = memory.delete(find_id(memory, memory_id, user), user_id=user)
            print_json(operation) if as_json else console().print(operation_line(operation))
            return
        count = len(memory.get_all(user_id=user))
        if count and not yes:
            typer.confirm(f"Delete all {count} memories of {clean(user)}?", abort=True, err=True)
        operations = memory.delete_all(user_id=user)
    print_json(operations) if as_json else console().print(Text(f"{len(operations)} memories were deleted."))


def forget(ctx: typer.Context, user: User, yes: Yes = False, as_json: Json = False) -> None:
    """Erase all data of a user: messages, memories, history. This can't be undone."""
    setting: Setting = ctx.obj
    with setting.open() as memory:
        if not yes:
            typer.confirm(f"Erase all data of {clean(user)}? This can't be undone.", abort=True, err=True)
        receipt = memory.forget(user_id=user)
    if as_json:
        print_json(receipt)
    else:
        erased = f"{receipt.turns} messages, {receipt.memories} memories and {receipt.operations} operations"
        console().print(Text(f"{erased} of {clean(user)} were erased at {receipt.at:%Y-%m-%d %H:%M:%S} UTC."))


def _moment(written: str) -> datetime:
    try:
        return datetime.fromisoformat(written)
    except ValueError as error:
        msg = f"--at {written!r} is not an ISO date. Write it like 2024-05-06 or 2024-05-06T18:30."
        raise InvalidInputError(msg) from error


COMMANDS: dict[str, Callable[..., Any]] = {
    "add": add,
    "search": search,
    "answer": answer,
    "list": list_,
    "history": history,
    "restore": restore,
    "delete": delete,
    "forget": forget,
}
