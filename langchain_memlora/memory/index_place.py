"""The place of a memory's embedded index. A ledger setting says which is in use; another embedder's vectors go to the next."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from langchain_memlora.indexes.sync import DEFAULT, embedder_of, forget_index
from langchain_memlora.ledger import Ledger
from langchain_memlora.models.pins import DEFAULT_EMBEDDER, EARLIER_EMBEDDER

_SETTING = "place"


@dataclass(frozen=True, slots=True)
class IndexPlace:
    """The name of an index in the ledger, and the folder of its Chroma.

    Attributes:
        home: Folder of the memory.
        base: The ledger's name for the first index.
        number: 1 for the first index, one more after each move.
    """

    home: Path
    base: str = DEFAULT
    number: int = 1

    @classmethod
    def in_use(cls, ledger: Ledger, home: Path, base: str = DEFAULT) -> IndexPlace:
        """Return the place of the index in use."""
        return cls(home, base, int(ledger.known_setting(f"{_SETTING}:{base}") or 1))

    @property
    def name(self) -> str:
        """The ledger's name for the index."""
        return self.base if self.number == 1 else f"{self.base}-{self.number}"

    @property
    def folder(self) -> Path:
        """The folder of the embedded Chroma."""
        return self.home / ("chroma" if self.number == 1 else f"chroma-{self.number}")

    @property
    def following(self) -> IndexPlace:
        """The place that the next move fills."""
        return replace(self, number=self.number + 1)

    def embedder(self, ledger: Ledger) -> str:
        """Return which of this package's embedders the index needs: an earlier default if that filled it, else the default."""
        return EARLIER_EMBEDDER if embedder_of(ledger, self.name) == EARLIER_EMBEDDER else DEFAULT_EMBEDDER

    def use(self, ledger: Ledger) -> None:
        """Make this the place of the index in use."""
        ledger.replace_setting(f"{_SETTING}:{self.base}", str(self.number))

    def remove_others(self, ledger: Ledger) -> None:
        """Remove what moves leave: the index before this one, and one that was not filled to the end.

        To be called by the owner of this place only. Vectors that an interrupted move has computed stay in the ledger's cache.
        """
        mine = embedder_of(ledger, self.name)
        for number in {self.number - 1, self.number + 1} - {0}:
            other = replace(self, number=number)
            embedder = embedder_of(ledger, other.name)
            if embedder and number < self.number and embedder != mine:
                ledger.forget_vectors(embedder)
            if embedder:
                forget_index(ledger, other.name)
            shutil.rmtree(other.folder, ignore_errors=True)
