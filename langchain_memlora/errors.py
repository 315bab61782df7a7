"""Every error this package raises on purpose.

Each message names the offending value and ends with what to do about it::

    MemLoRAError
    ├── InvalidInputError        what the caller passed can't be used (also a ValueError)
    │   ├── MissingUserError     no `user_id`, or one that can't name a user
    │   └── InvalidImageError    an image can't be read, is too large, or is not here any more
    │       └── RemoteImageError it lies elsewhere, and nothing that a message names is fetched
    ├── NotFoundError            no such memory in this user's scope (also a LookupError)
    ├── ModelError               base models and embedders
    │   ├── ModelNotFoundError   not on this machine, and it couldn't be fetched
    │   └── ModelMismatchError   a file is not the one that was pinned
    ├── BundleError              an expert bundle can't be loaded
    │   └── BundleMismatchError  it was trained for another base, tokenizer or format
    ├── EngineError              the engine failed or was closed while computing
    │   └── PromptTooLongError   a prompt and what may be written do not fit into the model
    ├── ExpertOutputError        a model's text could not be read (reported in results, seldom raised)
    ├── VisionNotConfiguredError images were given and no vision expert is loaded
    ├── LedgerError              the durable record can't be opened, read or written
    ├── IndexMismatchError       the vector index was built with another embedder or schema
    ├── IndexDamagedError        the vector index can't be read, and mending it from the ledger did not help
    ├── StoreInUseError          another process owns this embedded store
    ├── ConflictError            other writers changed the scope too often while we decided
    ├── ClosedError              the memory was used after `close()`
    └── MissingExtraError        an optional package is not installed (also an ImportError)
"""

from __future__ import annotations


class MemLoRAError(Exception):
    """Base of every error raised by langchain_memlora."""


class InvalidInputError(MemLoRAError, ValueError):
    """An argument can't be used as given."""


class MissingUserError(InvalidInputError):
    """A call came without a usable `user_id`; memories are never shared by default."""


class InvalidImageError(InvalidInputError):
    """An image can't be decoded, exceeds a limit, or is not where it was kept."""


class RemoteImageError(InvalidImageError):
    """An image is named by an address; fetching what messages name would tell others what is remembered."""


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
    """A prompt is longer than the model can read, or leaves no room for the answer."""


class ExpertOutputError(MemLoRAError):
    """A model's text could not be read as the dialect asks."""


class VisionNotConfiguredError(MemLoRAError):
    """Images arrived, but no vision expert is configured to look at them."""


class LedgerError(MemLoRAError):
    """The ledger can't be opened, read or written."""


class IndexMismatchError(MemLoRAError):
    """The vector index was built with another embedder, dimension or schema."""


class IndexDamagedError(MemLoRAError):
    """The vector index can't be read; nothing is lost, for it is derived from the ledger."""


class StoreInUseError(MemLoRAError):
    """Another process owns this embedded store."""


class ConflictError(MemLoRAError):
    """The scope kept changing under us; nothing was written for these facts."""


class ClosedError(MemLoRAError):
    """The memory was closed."""


class MissingExtraError(MemLoRAError, ImportError):
    """What was asked for needs a package that only an extra installs."""
