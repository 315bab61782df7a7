"""The errors that this package raises, and the warning for names that moved.

Each message names the offending value and ends with a remedy::

    MemLoRAError
    ├── InvalidInputError        an argument can't be used (also a ValueError)
    │   ├── MissingUserError     no `user_id`, or one that can't identify a user
    │   └── InvalidImageError    an image can't be read, is too large, or is missing
    │       └── RemoteImageError it is a remote URL; URLs in messages are never fetched
    ├── NotFoundError            no such memory in this user's scope (also a LookupError)
    ├── ModelError               base models and embedders
    │   ├── ModelNotFoundError   it is not on this machine, and could not be fetched
    │   └── ModelMismatchError   a file differs from the pinned one
    ├── BundleError              an expert bundle can't be loaded
    │   └── BundleMismatchError  it was trained for another base, tokenizer or format
    ├── EngineError              the engine failed, or was closed while computing
    │   └── PromptTooLongError   a prompt and its completion do not fit into the model
    ├── ExpertOutputError        a model's output could not be parsed (reported in results, seldom raised)
    ├── VisionNotConfiguredError there are images, but no vision expert is loaded
    ├── LedgerError              the ledger can't be opened, read or written
    ├── IndexMismatchError       the vector index was built with another embedder or schema
    ├── IndexDamagedError        the vector index can't be read, and rebuilding it from the ledger failed
    ├── StoreInUseError          another process holds what this call needs for itself alone
    ├── ConflictError            other writers changed the scope too often during an update
    ├── ClosedError              the memory was used after `close()`
    ├── ForkedError              the memory was opened before a fork and used after it, in the child
    └── MissingExtraError        an optional package is not installed (also an ImportError)
"""

from __future__ import annotations

import os
import warnings
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class MemLoRAError(Exception):
    """Base of all errors raised by langchain_memlora."""


class InvalidInputError(MemLoRAError, ValueError):
    """An argument can't be used as given."""


class MissingUserError(InvalidInputError):
    """A call has no usable `user_id`; memories are never shared by default."""


class InvalidImageError(InvalidInputError):
    """An image can't be decoded, exceeds a limit, or is missing from the store."""


class RemoteImageError(InvalidImageError):
    """An image is a remote URL; fetching it would reveal to others what is remembered."""


class NotFoundError(MemLoRAError, LookupError):
    """No memory with this id belongs to this user."""


class ModelError(MemLoRAError):
    """A base model or embedder can't be used."""


class ModelNotFoundError(ModelError):
    """A model is not on this machine and could not be fetched."""


class ModelMismatchError(ModelError):
    """A model file differs from the pinned one."""


class BundleError(MemLoRAError):
    """An expert bundle is missing, incomplete or corrupt."""


class BundleMismatchError(BundleError):
    """A bundle was made for another base model, tokenizer or bundle format."""


class EngineError(MemLoRAError):
    """The engine could not compute an answer."""


class PromptTooLongError(EngineError):
    """A prompt is too long for the model, or leaves no room for the answer."""


class ExpertOutputError(MemLoRAError):
    """A model's output does not follow the dialect."""


class VisionNotConfiguredError(MemLoRAError):
    """There are images, but no vision expert or captioner to read them."""


class LedgerError(MemLoRAError):
    """The ledger can't be opened, read or written."""


class IndexMismatchError(MemLoRAError):
    """The vector index was built with another embedder, dimension or schema."""


class IndexDamagedError(MemLoRAError):
    """The vector index can't be read; nothing is lost, because it is derived from the ledger."""


class StoreInUseError(MemLoRAError):
    """Another process holds what this call needs for itself alone: an embedded store, or a user's messages."""


class ConflictError(MemLoRAError):
    """The scope kept changing during an update; nothing was written for these facts."""


class ClosedError(MemLoRAError):
    """The memory was closed."""


class ForkedError(MemLoRAError):
    """A memory, ledger or engine that was opened before a fork was used in the child process."""

    @staticmethod
    def of(what: str, opener: int) -> ForkedError:
        """Return the error for something opened in the process `opener`."""
        return ForkedError(
            f"{what} was opened in process {opener} and can't be used in process {os.getpid()}, which was forked from it: "
            "threads and open files do not survive a fork. Open the memory after the fork, in each process, or start processes "
            "with multiprocessing's method `spawn`."
        )


class MissingExtraError(MemLoRAError, ImportError):
    """A feature needs a package that only an extra installs."""


def moved_names(module: str, new_names: Mapping[str, str]) -> Callable[[str], object]:
    """Make a module's `__getattr__` that still resolves names that moved, with a `DeprecationWarning`.

    Args:
        module: The module's `__name__`.
        new_names: The full new name of each old one.
    """

    def __getattr__(name: str) -> object:
        if name not in new_names:
            msg = f"module {module!r} has no attribute {name!r}"
            raise AttributeError(msg)
        home, _, new = new_names[name].rpartition(".")
        warnings.warn(f"{module}.{name} is now {home}.{new}.", DeprecationWarning, stacklevel=2)
        return getattr(import_module(home), new)

    return __getattr__
