"""A bundle: the adapters of all roles, the prompts they were trained with, and one card.

On disk it is a folder that PEFT can read as it is::

    card.json                  name, base model, training data, scores
    chat_template.jinja        the chat template (optional; else the tokenizer's own)
    prompts/extraction.txt     templates with {slots}, one a role
    extraction/                adapter_config.json, adapter_model.safetensors
    memory_update/             ...
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from langchain_memlora.bundles.roles import TEXT_ROLES, Role
from langchain_memlora.errors import BundleError, BundleMismatchError

FORMAT: Final = 1
DEFAULT_BUNDLE = "smollm2-135m"
SEPARATE = "benchmarks/locomo/bundle"
"""Folder of the repository with the bundle whose licence (CC BY-NC 4.0) keeps it out of the package."""


class BaseSpec(BaseModel):
    """The base model a bundle was trained on."""

    model_config = ConfigDict(extra="forbid")

    name: str
    tensors_sha256: str | None = None
    tokenizer_sha256: str | None = None
    licence: str = "unknown"


class WindowSpec(BaseModel):
    """The sizes of extraction windows that the expert was trained on."""

    model_config = ConfigDict(extra="forbid")

    new_turns: int = Field(4, ge=1)
    context_turns: int = Field(2, ge=0)


class UpdateSpec(BaseModel):
    """The settings of the memory_update expert."""

    model_config = ConfigDict(extra="forbid")

    candidates: int = Field(10, ge=1, le=50)
    confidence: float = Field(0.6, ge=0, le=1, description="A less probable choice becomes ADD.")


class ChoiceSpec(BaseModel):
    """Thresholds of the questions by which the `spans` dialect chooses sentences, calibrated on held-out files."""

    model_config = ConfigDict(extra="forbid")

    states: float = Field(0.5, ge=0, le=1, description="A sentence this likely to state something is remembered.")
    forget: float = Field(0.5, ge=0, le=1, description="A sentence this likely to ask to forget something does.")
    needs: float = Field(0.5, ge=0, le=1, description="A sentence this likely to need what is before it is widened.")
    later: float = Field(0.5, ge=0, le=1, description="A sentence this likely to be corrected later is widened.")


class Card(BaseModel):
    """The description of a bundle."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = FORMAT
    name: str
    version: str = "0.1.0"
    dialect: Literal["spans", "lines", "json"] = "lines"
    base: BaseSpec
    window: WindowSpec = WindowSpec()
    update: UpdateSpec = UpdateSpec()
    choice: ChoiceSpec = ChoiceSpec()
    languages: tuple[str, ...] = Field((), description="ISO 639-1 codes of what the experts read; empty: no limit.")
    max_tokens: dict[Role, int] = {Role.EXTRACTION: 160, Role.MEMORY_UPDATE: 256, Role.GENERATION: 48, Role.VISION: 48}
    licence: str = "unknown"
    data: list[str] = []
    training: dict[str, Any] = {}
    scores: dict[str, Any] = {}


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle: card, prompts and the folders of its adapters.

    Attributes:
        adapters: Folder of each adapter that exists; a role without one runs on the base model.
    """

    path: Path
    card: Card
    prompts: dict[Role, str]
    adapters: dict[Role, Path] = field(default_factory=dict)
    chat_template: str | None = None

    def without(self, *roles: Role) -> Bundle:
        """Return the same bundle with some experts switched off (they run on the bare base model)."""
        kept = {role: path for role, path in self.adapters.items() if role not in roles}
        return Bundle(self.path, self.card, self.prompts, kept, self.chat_template)


def load_bundle(source: str | Path = DEFAULT_BUNDLE) -> Bundle:
    """Load a bundle by the name of a shipped one or by path; in a checkout of the repository also `smollm2-135m-locomo`.

    Raises:
        BundleError: No such bundle, or its card, prompts or adapters are missing or corrupt.
        BundleMismatchError: It has another format than this version reads.

    Example:
        ```python
        from langchain_memlora.bundles import load_bundle

        print(load_bundle().card.licence)
        ```
    """
    path = _locate(source)
    card = _read_card(path)
    prompts = {}
    has_vision = (path / "prompts" / f"{Role.VISION}.txt").exists()
    for role in Role if has_vision else TEXT_ROLES:
        file = path / "prompts" / f"{role}.txt"
        if not file.exists():
            if has_vision and not (path / role).exists():  # a bundle may have a vision expert only
                continue
            msg = f"Bundle {path} has no {file.relative_to(path)}. Copy the prompts of the bundle it was trained from."
            raise BundleError(msg)
        prompts[role] = file.read_text(encoding="utf-8").rstrip("\n")
    adapters = {role: path / role for role in Role if (path / role / "adapter_config.json").exists()}
    for role, folder in adapters.items():
        _check_adapter(role, folder)
    template = path / "chat_template.jinja"
    return Bundle(path, card, prompts, adapters, template.read_text(encoding="utf-8") if template.exists() else None)


def shipped_bundles() -> list[str]:
    """Return the names of the bundles that come with the package."""
    root = Path(str(resources.files("langchain_memlora"))) / "bundles"
    return sorted(path.parent.name for path in root.glob("*/card.json"))


def _locate(source: str | Path) -> Path:
    package = Path(str(resources.files("langchain_memlora")))
    for path in (Path(source).expanduser(), package / "bundles" / source, package.parent / SEPARATE / source):
        if (path / "card.json").exists():
            return path
    msg = (
        f"No bundle {str(source)!r}. Pass a folder with card.json or one of {', '.join(shipped_bundles())}. The bundle "
        f"smollm2-135m-locomo (CC BY-NC 4.0) is not part of the package: pass its folder in {SEPARATE} of the repository."
    )
    raise BundleError(msg)


def _read_card(path: Path) -> Card:
    try:
        raw = json.loads((path / "card.json").read_text(encoding="utf-8"))
        if isinstance(raw, dict) and raw.get("format") != FORMAT:
            msg = (
                f"{path / 'card.json'} has bundle format {raw.get('format')!r}, this version reads {FORMAT}. "
                "Train the bundle again or install the version that made it."
            )
            raise BundleMismatchError(msg)
        return Card.model_validate(raw)
    except (OSError, ValueError, ValidationError) as error:
        msg = f"{path / 'card.json'} can't be read as a card: {error}. Restore it from where the bundle came."
        raise BundleError(msg) from error


def _check_adapter(role: Role, folder: Path) -> None:
    """Check the header of the weights: detects truncated and foreign files without torch."""
    weights = folder / "adapter_model.safetensors"
    try:
        size = weights.stat().st_size
        with weights.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header: dict[str, Any] = json.loads(file.read(length)) if length < size else {}
        ends = [spec["data_offsets"][1] for name, spec in header.items() if name != "__metadata__"]
        if max(ends) + 8 + length != size:
            msg = f"{size} bytes, but the header announces {max(ends) + 8 + length}"
            raise ValueError(msg)
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        msg = f"The {role} adapter {weights} is missing or corrupt ({error}). Restore it from where the bundle came."
        raise BundleError(msg) from error
