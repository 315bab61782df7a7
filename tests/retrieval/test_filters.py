"""The language of filters: its operators, its types, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.metadata import as_stored
from langchain_memlora.retrieval.filters import parse_filters

KEY = UUID("12345678-1234-5678-1234-567812345678")
NOON = datetime(2024, 5, 8, 12, tzinfo=UTC)


class Mood(Enum):
    CALM = "calm"


def meets(metadata: Mapping[str, Any], filters: Any) -> bool:
    """Return whether metadata meet a filter once they were stored."""
    condition = parse_filters(filters)
    return condition is None or condition(json.loads(json.dumps(as_stored(metadata))))


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"n": 1}, "a"),
        ({"n": 1.0}, "a"),
        ({"n": True}, "d"),
        ({"n": "1"}, "e"),
        ({"n": {"$eq": 2}}, "b"),
        ({"n": {"$ne": 1}}, "bcde"),
        ({"n": {"$gt": 1}}, "b"),
        ({"n": {"$gte": 1}}, "ab"),
        ({"n": {"$lt": 2}}, "a"),
        ({"n": {"$lte": 2.0}}, "ab"),
        ({"n": {"$gte": 1, "$lt": 2}}, "a"),
        ({"n": {"$gt": "0"}}, "e"),
        ({"n": {"$in": [1, "1"]}}, "ae"),
        ({"n": {"$in": []}}, ""),
        ({"n": {"$nin": [1, "1"]}}, "bcd"),
        ({"n": {"$nin": []}}, "abcde"),
        ({"n": None}, "c"),
        ({"n": {"$ne": None}}, "abde"),
        ({"n": 1, "m": 1}, "a"),
        ({"n": 2, "m": 1}, ""),
        ({"$or": [{"n": 2}, {"m": 1}]}, "ab"),
        ({"$and": [{"n": {"$gt": 0}}, {"n": {"$lt": 2}}]}, "a"),
        ({"m": 1, "$or": [{"n": 1}, {"n": 2}]}, "a"),
        ({"$or": [{"$and": [{"n": 1}, {"m": 1}]}, {"n": "1"}]}, "ae"),
        ({}, "abcde"),
        (None, "abcde"),
    ],
)
def test_operators(filters: Any, expected: str) -> None:
    stored = {"a": {"n": 1, "m": 1}, "b": {"n": 2}, "c": {}, "d": {"n": True}, "e": {"n": "1"}}
    assert "".join(name for name, metadata in stored.items() if meets(metadata, filters)) == expected


@pytest.mark.parametrize(
    "value",
    [
        KEY,
        NOON,
        NOON.date(),
        NOON.time(),
        (1, "a"),
        {"b", "a"},
        Decimal("1.5"),
        Mood.CALM,
        [1, [2]],
        None,
        "x",
        True,
        1.5,
    ],
    ids=str,
)
def test_values_are_found_as_they_were_given(value: Any) -> None:
    assert meets({"v": value}, {"v": value})
    assert meets({"v": value}, {"v": {"$in": [value, "other"]}})
    assert not meets({"v": value}, {"v": {"$ne": value}})
    assert not meets({"v": "other"}, {"v": value})


def test_moments_are_compared_across_zones() -> None:
    in_tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    assert meets({"at": in_tokyo}, {"at": NOON})
    assert meets({"at": in_tokyo}, {"at": {"$gte": NOON, "$lt": NOON + timedelta(seconds=1)}})
    assert not meets({"at": in_tokyo}, {"at": {"$gt": NOON}})
    assert meets({"at": NOON.replace(tzinfo=None)}, {"at": NOON})
    assert meets({"at": str(NOON)}, {"at": {"$lte": NOON}})  # as earlier versions stored it
    assert not meets({"at": "noon"}, {"at": {"$lte": NOON}})
    assert meets({"day": date(2024, 5, 8)}, {"day": {"$gt": date(2024, 5, 7)}})


@pytest.mark.parametrize(
    ("filters", "why"),
    [
        ("where=work", "must be a dict"),
        ([("where", "work")], "must be a dict"),
        ({"n": {"$regex": "a"}}, "is no comparison"),
        ({"n": {"gte": 1}}, "is no comparison"),
        ({"n": {}}, "is no comparison"),
        ({"n": {"a": 1}}, "compare by .eq"),
        ({"$not": [{"n": 1}]}, "neither a key"),
        ({"OR": [{"n": 1}]}, "neither a key"),
        ({1: 1}, "neither a key"),
        ({"$or": []}, "needs a list of filters"),
        ({"$and": {"n": 1}}, "needs a list of filters"),
        ({"$or": [{}]}, "at least one key"),
        ({"n": {"$in": "abc"}}, "needs a list of values"),
        ({"n": {"$gt": None}}, "orders numbers"),
        ({"n": {"$lt": True}}, "orders numbers"),
        ({"n": {"$lt": [1]}}, "orders numbers"),
        ({"n": float("nan")}, "not a finite number"),
        ({"n": {"$gt": float("inf")}}, "not a finite number"),
        ({"user_id": "ana"}, "pass it as an argument, user_id="),
        ({"$and": [{"run_id": "1"}, {"n": 1}]}, "pass it as an argument, run_id="),
    ],
    ids=str,
)
def test_unusable_filters_are_errors(filters: Any, why: str) -> None:
    with pytest.raises(InvalidInputError, match=why) as error:
        parse_filters(filters)
    assert "$gte" in str(error.value)


VALUES = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["a", "b"]) | st.just([1])
METADATA = st.dictionaries(st.sampled_from(["x", "y"]), VALUES)
LEAVES = st.dictionaries(
    st.sampled_from(["x", "y"]),
    VALUES
    | st.builds(lambda v: {"$ne": v}, VALUES)
    | st.builds(lambda v: {"$in": v}, st.lists(VALUES, max_size=3))
    | st.builds(lambda op, v: {op: v}, st.sampled_from(["$gt", "$lte"]), st.integers(0, 2) | st.sampled_from("ab")),
    min_size=1,
)
FILTERS = st.recursive(
    LEAVES,
    lambda part: st.builds(
        lambda op, v: {op: v}, st.sampled_from(["$and", "$or"]), st.lists(part, min_size=1, max_size=3)
    ),
    max_leaves=4,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(METADATA, FILTERS, FILTERS)
def test_filters_follow_logic(metadata: dict[str, Any], one: dict[str, Any], two: dict[str, Any]) -> None:
    assert meets(metadata, {"$and": [one, two]}) is (meets(metadata, one) and meets(metadata, two))
    assert meets(metadata, {"$or": [one, two]}) is (meets(metadata, one) or meets(metadata, two))
    assert meets(metadata, {"$and": [{key: value} for key, value in one.items()]}) is meets(metadata, one)
