"""Functions of the user's own, named on the command line."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from langchain_memlora.errors import InvalidInputError


def named(function: str) -> Any:
    """What `module:function` names; modules of the current folder are found too.

    Raises:
        InvalidInputError: There is no such thing.
    """
    module, _, name = function.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        msg = (
            f"{function!r} names no function ({error}). Write it like my_module:make_it, a function without arguments."
        )
        raise InvalidInputError(msg) from error
    finally:
        sys.path.pop(0)
    return found
