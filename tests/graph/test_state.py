"""Each node reads and writes keys of its graph's state, with the types they have there."""

from typing import Any, get_type_hints

import pytest

from langchain_memlora.graph import (
    answer,
    answer_from_image,
    caption,
    commit,
    extract,
    match,
    record,
    retrieve,
    update,
)
from langchain_memlora.graph.state import RememberState, RespondState

REMEMBER = (record, caption, extract, match, update, commit)
RESPOND = (retrieve, answer, answer_from_image)


def schemas(module: Any) -> list[type]:
    own = [value for value in vars(module).values() if getattr(value, "__module__", "") == module.__name__]
    return [value for value in own if isinstance(value, type) and value.__name__.endswith(("Input", "Output"))]


@pytest.mark.parametrize(
    ("module", "state"),
    [(module, RememberState) for module in REMEMBER] + [(module, RespondState) for module in RESPOND],
)
def test_schemas_match_the_state(module: Any, state: type) -> None:
    whole = get_type_hints(state)
    assert len(schemas(module)) == 2
    for schema in schemas(module):
        hints = get_type_hints(schema)
        assert hints.keys() <= whole.keys()
        differing = {key for key in hints if hints[key] != whole[key]}
        assert differing <= {"jobs"}  # a node writes a list, callers pass any sequence
