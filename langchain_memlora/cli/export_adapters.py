"""`memlora export-adapters`: adapters in the formats of other LoRA runtimes."""

from __future__ import annotations

import shutil
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from langchain_memlora.bundles import load_bundle
from langchain_memlora.cli.output import console
from langchain_memlora.cli.setting import Setting
from langchain_memlora.errors import InvalidInputError


class Form(StrEnum):
    """A format for adapters."""

    PEFT = "peft"
    GGUF = "gguf"


def export_adapters(
    ctx: typer.Context,
    target: Annotated[Path, typer.Argument(help="A new folder.")],
    form: Annotated[
        Form,
        typer.Option(
            help="peft: one folder per adapter, for vLLM and PEFT; gguf: one file per adapter, for llama.cpp."
        ),
    ] = Form.PEFT,
) -> None:
    """Write the bundle's adapters (global option --experts), each under the name of its role."""
    setting: Setting = ctx.obj
    bundle = load_bundle(setting.experts)
    try:
        target.mkdir(parents=True)
    except OSError as error:
        msg = f"{target} can't be created ({error}). Pass a folder that does not exist yet."
        raise InvalidInputError(msg) from error
    if form is Form.PEFT:
        written = [Path(shutil.copytree(folder, target / role)) for role, folder in bundle.adapters.items()]
    else:
        from langchain_memlora.engines.gguf_adapters import base_config, write_adapters
        from langchain_memlora.models import resolve_base_model

        config = base_config(Path(resolve_base_model(bundle.card.base.name).source))
        written = list(
            write_adapters({role.value: folder for role, folder in bundle.adapters.items()}, config, target).values()
        )
    for path in written:
        console().print(str(path), soft_wrap=True, highlight=False)
