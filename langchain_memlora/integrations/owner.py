"""The owner of an integration's memories: fixed at construction, or resolved for each run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from langchain_memlora.errors import InvalidInputError, MissingUserError
from langchain_memlora.intake.messages import to_scope
from langchain_memlora.types import Scope

UserId = str | Callable[[Any], str]


@dataclass(frozen=True)
class Owner:
    """The scope of a memory, with a user that may be known only when an agent runs.

    Args:
        user_id: An id, or a function of the run's `Runtime` (or `ToolRuntime`) that returns it.

    Raises:
        MissingUserError: `user_id` is neither.
    """

    user_id: UserId
    agent_id: str | None = None
    run_id: str | None = None

    def __post_init__(self) -> None:
        to_scope("later" if callable(self.user_id) else self.user_id, self.agent_id, self.run_id)

    def scope(self, runtime: Any = None) -> Scope:
        """Return the scope of one run.

        Raises:
            MissingUserError: The run has no user. A memory never falls back to a shared one.
        """
        user_id = _resolve(self.user_id, runtime) if callable(self.user_id) else self.user_id
        return to_scope(user_id, self.agent_id, self.run_id)


def _resolve(function: Callable[[Any], str], runtime: Any) -> str:
    try:
        user_id = function(runtime)
    except InvalidInputError:
        raise
    except (AttributeError, LookupError, TypeError) as error:
        msg = (
            f"The user_id function failed for this run ({type(error).__name__}: {error}). Pass what it reads, for "
            "instance agent.invoke(..., context=Context(user_id='ana'))."
        )
        raise MissingUserError(msg) from error
    if user_id is None:
        msg = "The user_id function returned None for this run. Return the id of one user, or raise."
        raise MissingUserError(msg)
    return user_id
