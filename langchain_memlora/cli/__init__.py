"""The command line, described by `memlora --help`; the Python API does not need it."""

from __future__ import annotations

import contextlib
import io
import sys


def main() -> None:
    """Run `memlora`."""
    # Memories hold text in any script; a terminal that can't show a character must not end the program.
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(ValueError):
                stream.reconfigure(errors="replace")
    try:
        from langchain_memlora.cli.app import app

        app(prog_name="memlora")
    except KeyboardInterrupt:
        sys.exit(130)
