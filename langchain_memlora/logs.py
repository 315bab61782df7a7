"""Text for logs, which never quotes what people said unless that is switched on."""

from __future__ import annotations

import os

from langchain_memlora.errors import ExpertOutputError, InvalidInputError, MemLoRAError, NotFoundError

SWITCH = "MEMLORA_LOG_TEXT"
_QUOTING = (InvalidInputError, NotFoundError, ExpertOutputError)


def loggable_error(error: BaseException) -> str:
    """Describe an error for a log: its kind, and its message if that can't quote a message or a memory.

    With `MEMLORA_LOG_TEXT=1` in the environment, the message is always included.

    Example:
        ```python
        from langchain_memlora.errors import LedgerError
        from langchain_memlora.logs import loggable_error

        assert loggable_error(LedgerError("disk full")) == "LedgerError: disk full"
        assert "Ana" not in loggable_error(ValueError("Ana lives in Porto"))
        ```
    """
    kind = type(error).__name__
    ours = isinstance(error, MemLoRAError) and not isinstance(error, _QUOTING)
    if ours or isinstance(error, OSError | ImportError) or os.environ.get(SWITCH) == "1":
        return f"{kind}: {error}"
    return f"{kind}; set {SWITCH}=1 to log its message, which may quote what was said"
