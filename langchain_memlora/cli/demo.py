"""`memlora demo`: a scripted conversation over some weeks, remembered and then queried."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from langchain_memlora.bundles import Role
from langchain_memlora.cli.output import (
    answer_text,
    clean,
    console,
    day,
    print_json,
    result_lines,
    sources_line,
    spinner,
    usage_table,
)
from langchain_memlora.cli.setting import Setting
from langchain_memlora.lab.scripts.player import (
    Answered,
    Asked,
    Began,
    Played,
    Remembered,
    Said,
    Step,
    collect,
    play,
    steps,
)
from langchain_memlora.lab.scripts.script import Script, ScriptTurn, demo_script, load_script, script_files

if TYPE_CHECKING:
    from langchain_memlora.memory.memory import MemLoRAMemory

COLOURS = ("cyan", "magenta", "yellow", "green")


def demo(
    ctx: typer.Context,
    script: Annotated[list[Path] | None, typer.Option(help="A script or a folder of scripts; repeatable.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
    without: Annotated[
        list[Role] | None, typer.Option(metavar="ROLE", help="Switch an expert off, to measure its contribution.")
    ] = None,
    require: Annotated[
        float, typer.Option(min=0, max=1, help="Exit code 1 if a smaller share of the answers is as expected.")
    ] = 0.0,
) -> None:
    """Play a script through the real memory, in a temporary folder."""
    setting: Setting = ctx.obj
    files = script_files(script or [demo_script()])
    scripts = [load_script(file) for file in files]
    out = console()
    played: list[Played] = []
    with (
        tempfile.TemporaryDirectory(prefix="memlora-demo-", ignore_cleanup_errors=True) as folder,
        setting.opener(path=Path(folder), experts=setting.experts, without=without or ()) as memory,
    ):
        for one in scripts:
            if played:
                memory.reset()
            played.append(_play(None if as_json else out, one, memory, alone=len(scripts) == 1))
    passed, total = sum(p.passed for p in played), sum(len(p.answers) for p in played)
    if as_json:
        print_json({"passed": passed, "of": total, "scripts": [_as_dict(p) for p in played]})
    else:
        _print_total(out, passed, total, hint=len(scripts) == 1)
    if total and passed / total < require:
        console(stderr=True).print(Text(f"{passed / total:.0%} as expected, but {require:.0%} were required.", "red"))
        raise typer.Exit(1)


def _play(out: Console | None, script: Script, memory: MemLoRAMemory, *, alone: bool) -> Played:
    """Play a script: silently without a console, in full if it is the only one, else as a summary."""
    if out is None:
        return play(script, memory)
    if alone:
        played = collect(script, _printed(out, script, steps(script, memory)))
        _print_cost(out, played)
        return played
    with spinner(out, script.title):
        played = play(script, memory)
    _print_short(out, played)
    return played


def _printed(out: Console, script: Script, running: Iterator[Step]) -> Iterator[Step]:
    """Print each step and pass it on."""
    out.print(Text(clean(script.title), "bold"))
    names = list(dict.fromkeys(turn.by for session in script.sessions for turn in session.turns))
    width = max(map(len, names))
    waiting = "loading the experts"
    while True:
        with spinner(out, waiting):
            step = next(running, None)
        match step:
            case None:
                return
            case Began(number, session):
                at = session.observed_at
                out.print()
                out.rule(Text(f"Session {number} · {day(at.date())}, {at:%H:%M}", "bold"), style="dim")
            case Said(turns):
                waiting = "remembering"
                for turn in turns:
                    _print_turn(out, width, turn, COLOURS[names.index(turn.by) % len(COLOURS)])
            case Remembered(result):
                for line in result_lines(result):
                    _print_row(out, width, Text(), line)
                out.print()
            case Asked(number, question):
                waiting = "reading"
                if number == 1:
                    out.rule(Text("Questions", "bold"), style="dim")
                out.print(Text.assemble((clean(question.ask), "bold"), (f"  {clean(question.shows)}", "dim italic")))
            case Answered():
                _print_answer(out, step)
        yield step


def _print_turn(out: Console, width: int, turn: ScriptTurn, colour: str) -> None:
    """Print a turn; the assistant's are dim, since they are never remembered."""
    dim = turn.by == "assistant"
    _print_row(out, width, Text(turn.by, "dim" if dim else colour), Text(clean(turn.text), "dim" if dim else ""))


def _print_row(out: Console, width: int, label: Text, content: Text) -> None:
    """Print a line with a hanging indent."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=width, justify="right", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(label, content)
    out.print(grid)


def _print_answer(out: Console, answered: Answered) -> None:
    _print_row(out, 1, _mark(answered.passed), Text(answer_text(answered.answer)))
    _print_row(out, 1, Text(), sources_line(answered.answer))
    if not answered.passed:
        wanted, unwanted = answered.question.expect[:3], answered.question.reject[:3]
        said = [f"expected {' or '.join(wanted)}"] if wanted else []
        said += [f"without {', '.join(unwanted)}"] if unwanted else []
        _print_row(out, 1, Text(), Text(clean("; ".join(said)), "red"))
    out.print()


def _mark(passed: bool) -> Text:
    return Text("✓", "bold green") if passed else Text("✗", "bold red")


def _print_cost(out: Console, played: Played) -> None:
    out.rule(Text("Cost", "bold"), style="dim")
    out.print(usage_table(played.usage))
    out.print()


def _print_short(out: Console, played: Played) -> None:
    marks = Text.assemble(*(_mark(a.passed) for a in played.answers))
    title, count = clean(played.script.title), f"{played.passed} of {len(played.answers)}"
    out.print(Text.assemble(marks, f"  {count}  ", (title, "bold"), (f"  {played.seconds:.0f} s", "dim")))
    for answered in played.answers:
        if not answered.passed:
            line = f"   {clean(answered.question.ask)} {answer_text(answered.answer)}"
            out.print(Text(line, "dim"))


def _print_total(out: Console, passed: int, total: int, *, hint: bool) -> None:
    if total:
        out.print(Text(f"{passed} of {total} answers as expected", "bold green" if passed == total else "bold yellow"))
    if hint:
        out.print(Text("Try it yourself: memlora chat", "dim"))


def _as_dict(played: Played) -> dict[str, Any]:
    return {
        "title": played.script.title,
        "user_id": played.script.user_id,
        "passed": played.passed,
        "of": len(played.answers),
        "seconds": played.seconds,
        "exchanges": len(played.results),
        "questions": [
            {
                "ask": a.question.ask,
                "answer": a.answer.text,
                "known": a.answer.known,
                "passed": a.passed,
                "shows": a.question.shows,
                "context": a.answer.context,
            }
            for a in played.answers
        ],
        "operations": [operation for result in played.results for operation in result.operations],
        "errors": [error for result in played.results for error in result.errors],
        "usage": played.usage,
    }
