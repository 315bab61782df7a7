"""Filters on metadata, in the language of LangChain's vector stores, parsed into one condition.

The meaning is Chroma's, with the freedoms of PGVector: several keys or operators in one dict must all be met, texts can be
ordered, and `$in` takes an empty list.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.ledger.selection import Condition
from langchain_memlora.metadata import as_stored

_Test = Callable[[Any], bool]
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_COMPARISONS = ("$eq", "$ne", *_ORDERS, "$in", "$nin")
_CONNECTIVES: Mapping[str, Callable[[Any], bool]] = {"$and": all, "$or": any}
_SCOPE = ("user_id", "agent_id", "run_id")
_DEEPEST = 32
_REMEDY = (
    f"Pass keys of metadata with a value or {', '.join(_COMPARISONS)}; join filters with {', '.join(_CONNECTIVES)}."
)


def parse_filters(filters: Any) -> Condition | None:
    """Parse a filter into a condition on metadata; `None` if there is nothing to filter by.

    A plain value means equality. A key that is missing counts as `None`. Numbers are compared with numbers and texts with
    texts; a `datetime` is compared as a moment with stored ISO 8601 texts, and without a time zone counts as UTC.

    Raises:
        InvalidInputError: An operator or a value can't be used; or a key is a part of the scope.

    Example:
        ```python
        from langchain_memlora.retrieval.filters import parse_filters

        recent = parse_filters({"topic": {"$in": ["work", "study"]}, "week": {"$gte": 12}})
        assert recent({"topic": "work", "week": 14})
        assert not recent({"topic": "work"})
        ```
    """
    if filters is None or (isinstance(filters, Mapping) and not filters):
        return None
    return _condition(filters, 0)


def _condition(given: Any, depth: int) -> Condition:
    if not isinstance(given, Mapping) or not given or depth > _DEEPEST:
        raise _error(given, f"it must be a dict with at least one key, nested at most {_DEEPEST} times")
    parts = [_entry(key, value, depth) for key, value in given.items()]
    return parts[0] if len(parts) == 1 else lambda metadata: all(part(metadata) for part in parts)


def _entry(key: Any, value: Any, depth: int) -> Condition:
    if connect := _CONNECTIVES.get(key):
        if not isinstance(value, list | tuple) or not value:
            raise _error({key: value}, f"{key} needs a list of filters")
        parts = [_condition(part, depth + 1) for part in value]
        return lambda metadata: connect(part(metadata) for part in parts)
    if not isinstance(key, str) or key.startswith("$") or key in ("AND", "OR", "NOT"):
        raise _error({key: value}, f"{key!r} is neither a key of metadata nor an operator between filters")
    if key in _SCOPE:
        raise _error({key: value}, f"{key} is not metadata; pass it as an argument, {key}=...")
    tests = [_test(key, name, wanted) for name, wanted in _comparisons(key, value).items()]
    return lambda metadata: all(test(metadata.get(key)) for test in tests)


def _comparisons(key: str, value: Any) -> Mapping[str, Any]:
    """Return the comparisons with one key; a plain value means equality."""
    if not isinstance(value, Mapping):
        return {"$eq": value}
    unknown = [name for name in value if name not in _COMPARISONS]
    if unknown or not value:
        raise _error({key: value}, f"{unknown or '{}'} is no comparison; with a dict, compare by $eq")
    return value


def _test(key: str, name: str, wanted: Any) -> _Test:
    if name in ("$in", "$nin"):
        if not isinstance(wanted, list | tuple | set | frozenset):
            raise _error({key: {name: wanted}}, f"{name} needs a list of values")
        tests = [_equals(key, value) for value in wanted]
        return (
            (lambda found: any(t(found) for t in tests)) if name == "$in" else (lambda f: not any(t(f) for t in tests))
        )
    equal = _equals(key, wanted)
    if name == "$eq":
        return equal
    if name == "$ne":
        return lambda found: not equal(found)
    return _ordered(key, name, wanted)


def _equals(key: str, wanted: Any) -> _Test:
    if isinstance(wanted, datetime):
        moment = _in_zone(wanted)
        return lambda found: _moment(found) == moment
    try:
        stored = as_stored(wanted)
    except (TypeError, ValueError, RecursionError) as error:
        raise _error({key: wanted}, str(error)) from error
    return lambda found: _same(found, stored)


def _ordered(key: str, name: str, wanted: Any) -> _Test:
    compare = _ORDERS[name]
    if isinstance(wanted, datetime):
        moment = _in_zone(wanted)
        return lambda found: (at := _moment(found)) is not None and compare(at, moment)
    if isinstance(wanted, bool) or not isinstance(wanted, int | float | Decimal | str | date | time):
        raise _error({key: {name: wanted}}, f"{name} orders numbers, texts and dates only")
    stored = as_stored(wanted)
    kind: Any = str if isinstance(stored, str) else (int, float)
    return lambda found: isinstance(found, kind) and not isinstance(found, bool) and compare(found, stored)


def _same(found: Any, wanted: Any) -> bool:
    """Return whether two JSON values are the same: 1 is 1.0, but not `True`."""
    if isinstance(found, bool) is not isinstance(wanted, bool):
        return False
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(_same, found, wanted))
    if isinstance(found, dict) and isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(_same(found[key], wanted[key]) for key in found)
    return bool(found == wanted)


def _moment(found: Any) -> datetime | None:
    if not isinstance(found, str):
        return None
    try:
        return _in_zone(datetime.fromisoformat(found))
    except ValueError:
        return None


def _in_zone(moment: datetime) -> datetime:
    return moment if moment.utcoffset() is not None else moment.replace(tzinfo=UTC)


def _error(given: Any, why: str) -> InvalidInputError:
    return InvalidInputError(f"filters={given!r:.120} can't be used: {why}. {_REMEDY}")
