"""Loading of the user's functions that are named on the command line."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from langchain_memlora.errors import InvalidInputError


def load_function(function: str) -> Any:
    """Import `module:function`, also from modules in the current folder.

    Raises:
        InvalidInputError: It can't be imported.
    """
    module, _, name = function.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        msg = f"{function!r} can't be imported ({error}). Pass a function without arguments, such as my_module:make_it."
        raise InvalidInputError(msg) from error
    finally:
        sys.path.pop(0)
    return found
