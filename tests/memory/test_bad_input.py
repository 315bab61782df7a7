"""Tests that invalid input raises a typed error with a remedy and changes nothing."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from support import MAY_8, texts

from langchain_memlora import MemLoRAMemory
from langchain_memlora.errors import InvalidInputError, MemLoRAError, MissingUserError, NotFoundError
from langchain_memlora.intake.messages import MAX_CHARACTERS

REMEDY = re.compile(r"\b(Pass|Use|Split|Decode)\b")
LOOP: dict[str, Any] = {}
LOOP["self"] = LOOP

MESSAGES: dict[str, Any] = {
    "empty list": [],
    "None": None,
    "a number": 7,
    "bytes": b"I live in Porto",
    "bytes in a list": [b"I live in Porto"],
    "an unknown role": [{"role": "wizard", "content": "x"}],
    "no role": [{"content": "x"}],
    "no content": [{"role": "user"}],
    "bytes as content": [("user", b"\xff")],
    "a tuple of one": [("user",)],
    "None in a list": ["I like tea", None],
    "too long": "x" * (MAX_CHARACTERS + 1),
    "a lone surrogate": "I live in \ud800",
    "a lone surrogate in a block": [{"role": "user", "content": [{"type": "text", "text": "\udfff"}]}],
    "a speaker with a line break": [{"role": "user", "content": "x", "name": "Ana\nuser"}],
    "a speaker with a surrogate": [{"role": "user", "content": "x", "name": "\ud800"}],
}
OPTIONS: dict[str, Any] = {
    "a naive datetime": {"observed_at": datetime(2024, 5, 8)},
    "a date as text": {"observed_at": "2024-05-08"},
    "a date before the first": {"observed_at": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9)))},
    "a thread that is a number": {"thread_id": 7},
    "a thread that is None": {"thread_id": None},
    "control characters in a name": {"agent_id": "a\x00b"},
    "a name too long": {"run_id": "x" * 513},
    "metadata with keys that are no strings": {"metadata": {("a", "b"): 1}},
    "metadata that is no dict": {"metadata": "where=work"},
    "metadata that holds itself": {"metadata": LOOP},
}
SEARCHES: dict[str, Any] = {
    "k of 0": {"k": 0},
    "a negative k": {"k": -1},
    "k as text": {"k": "5"},
    "k of None": {"k": None},
    "a wrong include": {"include": "everything"},
    "an include of None": {"include": None},
    "filters that are no dict": {"filters": "where=work"},
}
NOBODY = [None, "", "  ", "*", " * ", 7, b"ana", ["ana"]]


@pytest.fixture
def stored(memory: MemLoRAMemory) -> MemLoRAMemory:
    memory.add("I live in Porto", user_id="ana", observed_at=MAY_8)
    return memory


def refused(stored: MemLoRAMemory, call: Any, kind: type[MemLoRAError] = InvalidInputError) -> str:
    before = stored.ledger.counts()
    with pytest.raises(kind) as caught:
        call()
    message = str(caught.value)
    assert REMEDY.search(re.split(r"(?<=[.!?]) (?=[A-Z`])", message)[-1]), message
    assert stored.ledger.counts() == before
    assert texts(stored.get_all(user_id="ana")) == ["User live in Porto"]
    assert stored.search("Porto", user_id="ana")
    return message


@pytest.mark.parametrize("infer", [True, False])
@pytest.mark.parametrize("case", MESSAGES)
def test_invalid_messages_raise(stored: MemLoRAMemory, case: str, infer: bool) -> None:
    refused(stored, lambda: stored.add(MESSAGES[case], user_id="ana", infer=infer))


@pytest.mark.parametrize("case", OPTIONS)
def test_invalid_options_raise(stored: MemLoRAMemory, case: str) -> None:
    refused(stored, lambda: stored.add("I like tea", user_id="ana", **OPTIONS[case]))


@pytest.mark.parametrize("user_id", NOBODY)
def test_missing_user_raises(stored: MemLoRAMemory, user_id: Any) -> None:
    for call in (
        lambda: stored.add("x", user_id=user_id),
        lambda: stored.search("x", user_id=user_id),
        lambda: stored.answer("x", user_id=user_id),
        lambda: stored.get_all(user_id=user_id),
        lambda: stored.delete_all(user_id=user_id),
        lambda: stored.history(user_id=user_id),
        lambda: stored.get("x", user_id=user_id),
        lambda: stored.for_user(user_id),
    ):
        assert "Pass the id of one user" in refused(stored, call, MissingUserError)
    with pytest.raises(TypeError):
        stored.add("x")  # type: ignore[call-arg]


@pytest.mark.parametrize("user_id", ["a\x00b", "a\nb", "\x1f", "\ud800", "x" * 513])
def test_invalid_user_id_raises(stored: MemLoRAMemory, user_id: str) -> None:
    refused(stored, lambda: stored.add("x", user_id=user_id))


@pytest.mark.parametrize("case", SEARCHES)
def test_invalid_search_options_raise(stored: MemLoRAMemory, case: str) -> None:
    refused(stored, lambda: stored.search("Porto", user_id="ana", **SEARCHES[case]))
    refused(stored, lambda: stored.answer("Where?", user_id="ana", **SEARCHES[case]))


@pytest.mark.parametrize("text", ["", " \n", None, 7, b"x", "\ud800", "x" * (MAX_CHARACTERS + 1)])
def test_invalid_texts_raise(stored: MemLoRAMemory, text: Any) -> None:
    key = stored.get_all(user_id="ana")[0].id
    refused(stored, lambda: stored.search(text, user_id="ana"))
    refused(stored, lambda: stored.answer(text, user_id="ana"))
    refused(stored, lambda: stored.update(key, text, user_id="ana"))


@pytest.mark.parametrize(("key", "kind"), [("nothing", NotFoundError), ("", NotFoundError), ("\ud800", InvalidInputError),
                                           (None, InvalidInputError), ("x" * 600, InvalidInputError)])  # fmt: skip
def test_invalid_memory_ids_raise(stored: MemLoRAMemory, key: Any, kind: type[MemLoRAError]) -> None:
    for call in (stored.get, stored.delete, stored.restore):
        refused(stored, lambda call=call: call(key, user_id="ana"), kind)
    refused(stored, lambda: stored.update(key, "x", user_id="ana"), kind)


@pytest.mark.parametrize(
    "text",
    ["a\x00b", "{dialogue} {0} {x!r}", '"; DROP TABLE turns; --', "<|im_end|>", "👩‍👩‍👧 \u202e", "x" * MAX_CHARACTERS],
)
def test_unusual_text_is_stored_unchanged(stored: MemLoRAMemory, text: str) -> None:
    result = stored.add(text, user_id="ana", infer=False, observed_at=datetime(2024, 1, 1, tzinfo=UTC))
    assert stored.ledger.turns(result.turn_ids)[result.turn_ids[0]].text == text
    assert stored.search(text, user_id="ana", k=50)
    assert text[:300] in stored.answer(text[:300], user_id="ana").text
