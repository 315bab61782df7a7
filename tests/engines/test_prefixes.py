"""Property tests of the layout of prompts that begin alike."""

from itertools import pairwise

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from langchain_memlora.engines.prefixes import LEAST_SHARE, branch, common_prefix, groups

PROMPTS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=12), min_size=1, max_size=8)


@given(PROMPTS)
@example([[1, 2], [1, 2], [1, 2, 3], [1]])
def test_last_token_attends_to_its_prompt(prompts: list[list[int]]) -> None:
    tree = branch(prompts)
    visible = tree.visible()
    assert np.diag(visible).all()
    for prompt, path, last in zip(prompts, tree.paths, tree.last, strict=True):
        assert [tree.ids[i] for i in path] == prompt
        assert [tree.positions[i] for i in path] == list(range(len(prompt)))
        for place, index in enumerate(path):
            assert np.flatnonzero(visible[index]).tolist() == path[: place + 1]
        assert last == path[-1]
    assert len(tree.ids) == sum(map(len, prompts)) - sum(tree.shared)


@given(PROMPTS)
def test_every_beginning_occurs_once(prompts: list[list[int]]) -> None:
    ordered = sorted(prompts)
    beginnings = {tuple(prompt[: end + 1]) for prompt in ordered for end in range(len(prompt))}
    assert len(branch(ordered).ids) == len(beginnings)


@given(PROMPTS, st.integers(1, 4), st.integers(0, 20))
def test_groups_partition_within_limits(prompts: list[list[int]], count: int, endings: int) -> None:
    found = list(groups(prompts, count, endings))
    assert sorted(index for group in found for index in group) == list(range(len(prompts)))
    for group in found:
        rows = [prompts[index] for index in group]
        assert len(group) <= count
        assert len(branch(rows).ids) <= len(rows[0]) + endings
        assert all(common_prefix(a, b) >= LEAST_SHARE * len(b) for a, b in pairwise(rows))


def test_long_beginning_is_shared_beyond_the_limit() -> None:
    prompts = [[*range(100), ending] for ending in range(20)]
    assert [len(group) for group in groups(prompts, 64, endings=10)] == [11, 9]
