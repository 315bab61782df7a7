"""Tests that every content word of a memory was said, whatever the extraction expert writes."""

from __future__ import annotations

import dataclasses
import json
import re
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.vectorstores import InMemoryVectorStore
from support import BagOfWords, texts

from langchain_memlora import MemLoRAMemory
from langchain_memlora.bundles import Bundle
from langchain_memlora.experts.negation import is_denial
from langchain_memlora.wordforms import LIGHT

Make = Callable[..., MemLoRAMemory]
STAY = ("assistant", "Nice. How long will you stay in Rome?")
BOAT = ("assistant", "Do you own a boat?")
TRIP = ("assistant", "You could visit Rome.")


def stored(make_memory: Make, said: Any, *rows: str) -> list[tuple[str, str, str, str]]:
    """Return form, text, quoted words and question of the memories of a conversation that the expert reads as these rows."""
    memory = make_memory(extraction=["\n".join(f"1 {row}" for row in rows)])
    memory.add(said, user_id="ana")
    found: list[tuple[str, str, str, str]] = []
    for one in memory.get_all(user_id="ana"):
        (turn,) = memory.turns(one.turn_ids, user_id="ana")
        assert one.said
        found.append((one.form, one.text, turn.words[one.said.start : one.said.end], one.said.asked))
    return found


@pytest.mark.parametrize(
    ("said", "row", "text", "words", "asked"),
    [
        ("Hi! I moved to Porto.", "moved to Porto", "User moved to Porto", "I moved to Porto.", ""),
        ("my bday is 2 Feb", "'s birthday is 2 February", "User's birthday is 2 February", "my bday is 2 Feb", ""),
        (
            {"role": "user", "name": "Ana", "content": "I moved to Porto."},
            "moved to Porto",
            "Ana moved to Porto",
            "I moved to Porto.",
            "",
        ),
        (
            [STAY, "Six nights."],
            "stays in Rome for six nights",
            "User stays in Rome for six nights",
            "Six nights.",
            'Assistant: "How long will you stay in Rome?"',
        ),
        ([BOAT, "Yes"], "owns a boat", "User owns a boat", "Yes", 'Assistant: "Do you own a boat?"'),
    ],
)
def test_grounded_fact_is_written(make_memory: Make, said: Any, row: str, text: str, words: str, asked: str) -> None:
    assert stored(make_memory, said, row) == [("written", text, words, asked)]


@pytest.mark.parametrize(
    ("said", "row", "text"),
    [
        ("Hi! I moved to Porto.", "moved to Lisbon", 'User: "I moved to Porto."'),
        ("The rent is 850 now. Any ideas?", "pays 580 rent", 'User: "The rent is 850 now."'),
        ("I don't eat pork.", "eats pork", 'User: "I don\'t eat pork."'),
        ("I have a sister. She is a nurse.", "'s sister Lena is a nurse", 'User: "I have a sister. She is a nurse."'),
        (
            [STAY, "Six nights."],
            "stays in Rome for seven nights",
            'Assistant: "How long will you stay in Rome?" User: "Six nights."',
        ),
        ([BOAT, "No."], "owns a boat", 'Assistant: "Do you own a boat?" User: "No."'),
    ],
)
def test_other_fact_is_quoted(make_memory: Make, said: Any, row: str, text: str) -> None:
    ((form, found, words, asked),) = stored(make_memory, said, row)
    assert (form, found) == ("said", text)
    assert found == f'{asked} User: "{words}"'.strip()


@pytest.mark.parametrize(
    ("said", "row"),
    [
        ("I like tea.", "owns a yacht"),
        ([TRIP, "Thanks!"], "visits Rome"),
        ([BOAT, "Thanks!"], "owns a boat in Rome"),
        (f"tea {'x' * 2000}", "likes tea and coffee"),
    ],
)
def test_fact_of_no_sentence_is_reported(make_memory: Make, said: Any, row: str) -> None:
    memory = make_memory(extraction=[f"1 {row}"])
    result = memory.add(said, user_id="ana")
    assert (result.status, result.operations, memory.get_all(user_id="ana")) == ("failed", (), [])
    assert row in result.errors[0].message


def test_facts_of_one_quoted_sentence_are_one_memory(make_memory: Make) -> None:
    said = "I live in Porto with my dog Bruno. I like tea. My sister phoned. She is a nurse."
    rows = (
        "lives in Porto",
        "owns a cat named Bruno",
        "lives in Lisbon with Bruno",
        "likes tea",
        "'s brother phoned",
        "'s sister Lena is a nurse",
    )
    assert sorted(text for _, text, _, _ in stored(make_memory, said, *rows)) == [
        "User likes tea",
        'User: "I live in Porto with my dog Bruno."',
        'User: "My sister phoned. She is a nurse."',
    ]


def test_order_of_messages_is_kept(make_memory: Make) -> None:
    memory = make_memory(extraction=["1 live in Lisbon\n2 live in Berlin"])
    memory.add(["I live in Porto", "I live in Berlin"], user_id="ana")
    assert [op.fact for op in memory.history(user_id="ana")] == ['User: "I live in Porto"', "User live in Berlin"]


def test_request_to_forget_is_left_as_it_is(make_memory: Make) -> None:
    memory = make_memory(extraction=["1 forget: owns a yacht"])
    result = memory.add("Forget the boat.", user_id="ana")
    assert (result.status, [op.fact for op in result.operations]) == ("ok", ["forget: User owns a yacht"])


# -- whatever it writes

WORDS = (
    "bakery",
    "Porto",
    "cello",
    "12,450",
    "KX-20",
    "zebra",
    "Ines",
    "quilt",
    "12,540",
    "KX-02",
    "Otto",
    "gym",
    "Sonne!2024",
)
PLAIN = (
    "I",
    "a",
    "in",
    "and",
    "not",
    "never",
    "doesn't",
    "no",
    "is",
    "she",
    "my",
    "with",
    "wants",
    "Yes.",
    "who?",
    "\n",
)
words = st.sampled_from((*WORDS, *PLAIN))
sentences = st.lists(words, min_size=1, max_size=9).map(" ".join)
messages = st.lists(sentences, min_size=1, max_size=4).map(". ".join).filter(lambda text: bool(re.search(r"\w", text)))
facts = st.lists(st.lists(words | st.text(max_size=9), min_size=1, max_size=7).map(" ".join), max_size=4)


def tokens(text: str) -> set[str]:
    return {word.strip(".?\"'") for word in text.lower().split()}


@pytest.fixture
def outputs() -> dict[str, str]:
    return {}


@pytest.fixture
def reading(make_memory: Make, bundle: Bundle, tmp_path: Path, outputs: dict[str, str]) -> dict[str, MemLoRAMemory]:
    """Return memories by dialect whose extraction expert writes what `outputs` holds for the dialect."""

    def opened(dialect: str) -> MemLoRAMemory:
        card = bundle.card.model_copy(update={"dialect": dialect, "languages": ()})
        experts = dataclasses.replace(bundle, card=card)
        return make_memory(
            experts=experts,
            path=tmp_path / dialect,
            index=InMemoryVectorStore(BagOfWords()),
            extraction=lambda prompt: outputs[dialect],
        )

    return {dialect: opened(dialect) for dialect in ("lines", "json")}


@given(context=messages, message=messages, written=facts)
@settings(max_examples=50)
def test_memories_hold_only_said_words(
    reading: dict[str, MemLoRAMemory],
    outputs: dict[str, str],
    context: str,
    message: str,
    written: Sequence[str],
) -> None:
    rows = [" ".join(fact.split()) for fact in written]
    outputs["lines"] = "\n".join(f"1 {row}" for row in rows) or "none"
    outputs["json"] = json.dumps({"facts": rows})
    said = tokens(f"user assistant {context} {message}")
    user = uuid.uuid4().hex  # each example has a user of its own
    for memory in reading.values():
        memory.add([("assistant", context), message], user_id=user)
        for one in memory.get_all(user_id=user):
            assert one.form in {"said", "written"}
            stored_words = tokens(one.text)
            assert stored_words.intersection(map(str.lower, WORDS)) <= said
            for word in re.findall(r"[^\W\d_](?:'?[^\W\d_]){3,}", one.text.lower()):
                known = word in LIGHT or is_denial(word) or any(word[:3] == other[:3] for other in said)
                assert known or any(word in other for other in said)


def test_switched_off_guard_stores_unsaid_words(make_memory: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("langchain_memlora.experts.experts.guard", lambda parsed, window: parsed)
    memory = make_memory(extraction=["1 owns a yacht"])
    memory.add("I like tea.", user_id="ana")
    assert texts(memory.get_all(user_id="ana")) == ["User owns a yacht"]
