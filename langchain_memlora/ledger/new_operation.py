"""An operation on a memory before it is applied."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from langchain_memlora.types import Event, Form, Span


@dataclass(frozen=True, slots=True)
class NewOperation:
    """An operation to apply; once stored, it is an `Operation`.

    Attributes:
        memory_id: The memory to change; for ADD, the id of the new memory. Without one, the operation is on its turn.
        text: The new text, for ADD and UPDATE.
        turn_id: The turn that supports it.
        by: The source of the decision: `expert`, or the name of a method.
        form: The source of the new text, or for NONE of the fact.
        said: The part of the turn that states it.
        split_from: For ADD, the memory that held the text before. The messages that support it are withheld with the new one.
        repeated_by: For ADD and UPDATE, later turns that support the new text as well.
    """

    event: Event
    memory_id: str | None
    text: str = ""
    fact: str = ""
    turn_id: str | None = None
    observed_at: datetime | None = None
    probability: float | None = None
    by: str = "expert"
    job_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    form: Form = "given"
    said: Span | None = None
    split_from: str | None = None
    repeated_by: tuple[str, ...] = ()


def new_id() -> str:
    """Return an id for a new memory."""
    return uuid.uuid4().hex
