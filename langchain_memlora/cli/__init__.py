"""The command line. What it does is said by `memlora --help`; nothing here is needed to use the package from Python."""

from __future__ import annotations

import contextlib
import sys


def main() -> None:
    """Run `memlora`."""
    # Memories are people's words in any script; a terminal that can't show one of them must not end the program.
    for stream in (sys.stdin, sys.stdout):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")
    try:
        from langchain_memlora.cli.app import app

        app(prog_name="memlora")
    except KeyboardInterrupt:
        sys.exit(130)
