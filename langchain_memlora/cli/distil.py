"""`memlora distil`: training rows for experts, from a teacher's replies about raw chats or pictures."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from langchain_memlora.bundles import Role, load_bundle
from langchain_memlora.cli.output import console
from langchain_memlora.cli.setting import Setting
from langchain_memlora.errors import InvalidInputError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from langchain_memlora.lab.training.distil import Distilled

SCRIPT = "script:"


def distil(
    ctx: typer.Context,
    material: Annotated[
        list[Path],
        typer.Argument(
            exists=True,
            help="Raw chats: .jsonl or plain text; with --vision pictures, or folders of them.",
            metavar="FILES...",
        ),
    ],
    teacher: Annotated[
        str, typer.Option(help="provider:model for LangChain's init_chat_model; script:FILE for tests.")
    ],
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for replies, rows and the report.")],
    vision: Annotated[
        bool, typer.Option("--vision", help="Let a vision model write questions about pictures.")
    ] = False,
    concurrency: Annotated[int, typer.Option(min=1, help="Concurrent calls.")] = 8,
    actors: Annotated[
        int,
        typer.Option(min=0, help="Number of Ray actors, each with its own --concurrency. 0: without Ray."),
    ] = 0,
    price: Annotated[
        tuple[float, float] | None, typer.Option(help="Dollars per million input tokens and per million output tokens.")
    ] = None,
    questions: Annotated[
        int, typer.Option(min=0, help="Questions the teacher writes for each session of a chat without any.")
    ] = 3,
    keep_thoughts: Annotated[bool, typer.Option("--keep-thoughts", help="Keep the teacher's reasoning.")] = False,
    keep_chatter: Annotated[bool, typer.Option("--keep-chatter", help="Keep text around the JSON of replies.")] = False,
    keep_untouched: Annotated[
        bool, typer.Option("--keep-untouched", help="Keep NONE rows of memories that no fact concerns.")
    ] = False,
    teacher_answers: Annotated[
        bool, typer.Option("--teacher-answers", help="Use the teacher's answers even if gold ones exist.")
    ] = False,
) -> None:
    """Let a teacher play the roles over raw chats, or describe pictures. A stopped run resumes when started again."""
    from langchain_memlora.lab.training.chats import load_chats
    from langchain_memlora.lab.training.distil import distil as run
    from langchain_memlora.lab.training.distil_vision import distil_vision
    from langchain_memlora.lab.training.replies import Cleaning
    from langchain_memlora.lab.training.teacher import Teacher

    setting: Setting = ctx.obj
    chat_options = {
        "--actors": actors,
        "--keep-thoughts": keep_thoughts,
        "--keep-chatter": keep_chatter,
        "--keep-untouched": keep_untouched,
        "--teacher-answers": teacher_answers,
    }
    if vision and any(chat_options.values()):
        given = ", ".join(name for name, value in chat_options.items() if value)
        msg = f"--vision was given with {given}, which only applies to chats. Leave it out."
        raise InvalidInputError(msg)
    cleaning = Cleaning(not keep_thoughts, not keep_chatter, not keep_untouched, not teacher_answers)
    chats = () if vision else load_chats(*material)
    model = open_teacher(teacher)
    if actors:
        from langchain_memlora.lab.training.on_ray import ask_on_ray

        ask_on_ray(
            chats,
            partial(open_teacher, teacher),
            load_bundle(setting.experts),
            out / "replies.jsonl",
            actors=actors,
            concurrency=concurrency,
            cleaning=cleaning,
            questions=questions,
        )
    with _Bars(console(stderr=True)) as watcher:
        asked = Teacher(model, out / "replies.jsonl", concurrency=concurrency, price=price, watcher=watcher)
        if vision:
            made = distil_vision(material, asked, out)
        else:
            made = run(chats, asked, load_bundle(setting.experts), out, cleaning=cleaning, questions=questions)
    _print_report(made, out)
    if made.bill.failed:
        raise typer.Exit(1)


def open_teacher(name: str) -> BaseChatModel:
    """Open a chat model by name.

    Raises:
        InvalidInputError: LangChain does not know the model, or its package is not installed.
    """
    if name.startswith(SCRIPT):
        from langchain_memlora.testing.chat_model import ScriptedChatModel

        return ScriptedChatModel.from_file(Path(name.removeprefix(SCRIPT)))
    try:
        from langchain.chat_models import init_chat_model

        return init_chat_model(name, temperature=0)
    except (ImportError, ValueError) as error:
        msg = f"The teacher {name!r} can't be opened: {error}. Pass provider:model and install langchain and its provider."
        raise InvalidInputError(msg) from error


class _Bars:
    """A progress bar for each stage, on a terminal only."""

    def __init__(self, out: Console) -> None:
        columns = TextColumn("{task.description:14}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        self._progress = Progress(*columns, console=out, disable=not out.is_terminal)
        self._tasks: dict[str, TaskID] = {}

    def stage(self, name: str, total: int) -> None:
        """Start a stage, as `lab.training.teacher.Watcher` defines."""
        self._tasks[name] = self._progress.add_task(name, total=total)

    def step(self, name: str) -> None:
        """Advance a stage, as `lab.training.teacher.Watcher` defines."""
        self._progress.advance(self._tasks[name])

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _print_report(made: Distilled, out: Path) -> None:
    out_console, bill = console(), made.bill
    for stage, records in made.records.items():
        rows = f", {len(made.rows.get(Role(stage), ()))} rows" if stage in set(Role) else ""
        out_console.print(
            f"{stage}: {bill.asked[stage]} calls, {bill.known[stage]} from an earlier run, {bill.failed[stage]} failed; "
            f"{made.dropped[stage]} of {len(records)} replies dropped{rows}",
            soft_wrap=True,
        )
    cost = "" if bill.dollars is None else f", {bill.dollars:.4f} dollars ({bill.dollars_before:.4f} before)"
    out_console.print(
        f"{bill.input_tokens} tokens in, {bill.output_tokens} out{cost}. All files are in {out}", soft_wrap=True
    )
    if bill.failed:
        out_console.print("Some calls failed. Run the command again to repeat only those.")
