"""The global options of commands: the folder, the experts, and how to open a memory there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from platformdirs import user_data_path

from langchain_memlora.bundles import DEFAULT_BUNDLE, Role, load_bundle
from langchain_memlora.memory.health import Target

if TYPE_CHECKING:
    from langchain_memlora.memory.memory import MemLoRAMemory


class OpenMemory(Protocol):
    """Opens the memory at a path."""

    def __call__(
        self, *, path: Path, experts: str, without: Sequence[Role] = (), vision: str | None = None
    ) -> MemLoRAMemory: ...


def open_memory(*, path: Path, experts: str, without: Sequence[Role] = (), vision: str | None = None) -> MemLoRAMemory:
    """Open a memory with the real models."""
    from langchain_memlora.memory.memory import MemLoRAMemory

    return MemLoRAMemory(path=path, experts=load_bundle(experts).without(*without), vision=vision)


@dataclass(frozen=True)
class Setting:
    """The global options. Commands find it as `ctx.obj`.

    Attributes:
        path: The --path option; `None` for the default folder.
        opener: Replaced in tests that run no model: `CliRunner().invoke(app, arguments, obj=Setting(opener=...))`.
        opened_by: The user's own function that opens the memory, in place of path and experts.
    """

    path: Path | None = None
    experts: str = DEFAULT_BUNDLE
    opener: OpenMemory = open_memory
    opened_by: Callable[[], MemLoRAMemory] | None = None

    @property
    def home(self) -> Path:
        """The folder of ledger and index; it need not exist."""
        return (self.path or user_data_path("langchain-memlora")).expanduser()

    def open(self) -> MemLoRAMemory:
        """Open the memory; nothing is loaded yet."""
        return self.opened_by() if self.opened_by else self.opener(path=self.home, experts=self.experts)

    @property
    def target(self) -> Target:
        """The memory, for health checks."""
        return Target(self.home, self.experts, self.open, in_path=self.opened_by is None)
