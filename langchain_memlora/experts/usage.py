"""The cost of a stage, summed over its completions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from langchain_memlora.engines.base import Completion
from langchain_memlora.types import Usage


def usage_of(stage: str, completions: Sequence[Completion]) -> Usage:
    """Return the summed cost of completions of one role."""
    return Usage(
        stage,
        calls=len(completions),
        prompt_tokens=sum(c.prompt_tokens for c in completions),
        completion_tokens=sum(c.completion_tokens for c in completions),
        seconds=sum(c.seconds for c in completions),
        adapter=completions[0].adapter if completions else None,
        shared_tokens=sum(c.shared_tokens for c in completions),
    )


def plus(one: Usage, other: Usage) -> Usage:
    """Return the cost of two parts of one stage."""
    return replace(
        one,
        calls=one.calls + other.calls,
        prompt_tokens=one.prompt_tokens + other.prompt_tokens,
        completion_tokens=one.completion_tokens + other.completion_tokens,
        seconds=one.seconds + other.seconds,
        adapter=one.adapter or other.adapter,
        shared_tokens=one.shared_tokens + other.shared_tokens,
    )
