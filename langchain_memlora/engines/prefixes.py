"""Grouping of prompts that begin alike, so that an engine computes a common beginning once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from operator import eq

import numpy as np

LEAST_SHARE = 0.5
"""A prompt joins a group if at least this part of it is computed there already."""

ENDINGS = 768
"""Up to this many tokens of a group follow its first prompt: attention between endings is computed and then masked, which
grows with the square of their length."""

LONGEST = 4096
"""Longer prompts are not grouped: the mask of a group has the square of its length."""


@dataclass(frozen=True, slots=True)
class Branching:
    """Prompts laid out as one sequence, in which beginnings that they share occur once: a tree, prompt by prompt.

    Attributes:
        ids: Token ids of the sequence, of length n.
        positions: Position of each token in its prompt.
        paths: The indices of each prompt's tokens in the sequence.
        shared: Number of each prompt's tokens that an earlier prompt has added to the sequence.

    Example:
        ```python
        from langchain_memlora.engines.prefixes import branch

        both = branch([[1, 2, 3], [1, 2, 4]])
        assert (both.ids, both.positions, both.last) == ([1, 2, 3, 4], [0, 1, 2, 2], [2, 3])
        ```
    """

    ids: list[int]
    positions: list[int]
    paths: list[list[int]]
    shared: list[int]

    @property
    def last(self) -> list[int]:
        """The index of each prompt's last token."""
        return [path[-1] for path in self.paths]

    def visible(self) -> np.ndarray:
        """Return (n, n) booleans: a token attends to those before it in its prompt and to itself."""
        seen = np.zeros((len(self.ids), len(self.ids)), dtype=bool)
        for path, shared in zip(self.paths, self.shared, strict=True):
            seen[np.ix_(path[shared:], path)] = np.tri(len(path) - shared, len(path), shared, dtype=bool)
        return seen


def common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    """Return the number of tokens two prompts share at their beginning."""
    return sum(takewhile(bool, map(eq, left, right)))


def groups(prompts: Sequence[list[int]], count: int, endings: int = ENDINGS) -> Iterator[list[int]]:
    """Yield the indices of prompts to compute together, in the order in which they share most.

    Args:
        count: Up to this many prompts a group.
        endings: Up to this many tokens of a group after its first prompt.
    """
    group: list[int] = []
    added = 0
    for index in sorted(range(len(prompts)), key=prompts.__getitem__):
        prompt = prompts[index]
        common = common_prefix(prompts[group[-1]], prompt) if group else 0
        new = len(prompt) - common
        if group and (len(group) == count or common < LEAST_SHARE * len(prompt) or added + new > endings):
            yield group
            group = []
        added = added + new if group else 0
        group.append(index)
    if group:
        yield group


def branch(prompts: Sequence[Sequence[int]]) -> Branching:
    """Lay out prompts as one sequence.

    Args:
        prompts: Token ids, none empty, in the order of `groups`: each is compared with the one before it.
    """
    tree = Branching([], [], [], [])
    before: Sequence[int] = ()
    for prompt in prompts:
        common = common_prefix(before, prompt)
        known = tree.paths[-1][:common] if common else []
        start = len(tree.ids)
        tree.ids.extend(prompt[common:])
        tree.positions.extend(range(common, len(prompt)))
        tree.paths.append([*known, *range(start, len(tree.ids))])
        tree.shared.append(common)
        before = prompt
    return tree
