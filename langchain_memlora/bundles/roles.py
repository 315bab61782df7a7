"""The four roles, each with a LoRA adapter of the same name."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """A role, which is also its adapter's name (PEFT rejects an adapter called `update`)."""

    EXTRACTION = "extraction"
    MEMORY_UPDATE = "memory_update"
    GENERATION = "generation"
    VISION = "vision"


TEXT_ROLES = (Role.EXTRACTION, Role.MEMORY_UPDATE, Role.GENERATION)
