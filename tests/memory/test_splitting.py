"""Tests of quotations that change in part, as callers see them."""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.vectorstores import InMemoryVectorStore
from support import MAY_8, MAY_15, BagOfWords, pair, texts

from langchain_memlora import MemLoRAMemory
from langchain_memlora.bundles import Bundle, Role
from langchain_memlora.testing import ScriptedEngine
from langchain_memlora.types import Span

Make = Callable[..., MemLoRAMemory]
BOTH = "I'm a nurse in Graz and my sister Ana has twins."
NURSE, TWINS = "I'm a nurse in Graz", "and my sister Ana has twins."


def choose(prompt: str) -> str:
    """Label a sentence: "Forget ..." asks to forget, "Hm ..." states nothing, all others state something."""
    sentence = prompt.rsplit("\n", 1)[-1]
    return {"Forget": "forget", "Hm": "none"}.get(sentence.split()[0], "alone")


def about(**words: str) -> Callable[[str], str]:
    """Decide that new words with a key change or delete what has the pattern of its value."""

    def decide(prompt: str) -> str:
        old, new = pair(prompt)
        event = "DELETE" if "Forget" in new else "UPDATE"
        return next((event for key, value in words.items() if key in new and re.search(value, old)), "ADD")

    return decide


@pytest.fixture
def quotes(bundle: Bundle) -> Bundle:
    card = bundle.card.model_copy(update={"dialect": "spans", "languages": ()})
    prompts = {**bundle.prompts, Role.EXTRACTION: "{dialogue}\n{sentence}"}
    return dataclasses.replace(bundle, card=card, prompts=prompts)


@pytest.fixture
def make(make_memory: Make, quotes: Bundle) -> Make:
    """Return a function that opens memories in own words."""

    def opened(memory_update: Any, *messages: str, extraction: Any = choose) -> MemLoRAMemory:
        memory = make_memory(experts=quotes, extraction=extraction, memory_update=memory_update)
        for number, message in enumerate(messages):
            memory.add(message, user_id="ana", observed_at=MAY_8, thread_id=str(number))
        return memory

    return opened


def contents(memory: MemLoRAMemory) -> list[str]:
    return texts(memory.get_all(user_id="ana"))


def everything(memory: MemLoRAMemory, query: str = "nurse Graz sister Ana twins Linz tea") -> str:
    """Return all that `search`, `get_all` and `answer` can show."""
    hits = [
        hit
        for include in ("both", "memories", "turns")
        for hit in memory.search(query, user_id="ana", k=99, include=include)
    ]
    shown = [text for hit in hits for text in (hit.text, *(turn.shown for turn in hit.turns))]
    context = memory.answer(query, user_id="ana", k=99, budget=9999).context
    return "\n".join([*shown, *contents(memory), context])


# -- a part that changes


def test_update_of_a_part_keeps_the_rest(make: Make) -> None:
    memory = make(about(moved="Graz"), BOTH)
    (before,) = memory.get_all(user_id="ana")
    result = memory.add("I moved to Linz.", user_id="ana", observed_at=MAY_15)
    assert [(op.event, op.by) for op in result.operations] == [
        ("UPDATE", "split"),
        ("ADD", "split"),
        ("UPDATE", "expert"),
    ]
    rest, news = memory.get_all(user_id="ana")
    assert (rest.id, rest.text, rest.observed_at) == (before.id, f'User: "{TWINS}"', MAY_8)
    assert rest.said == Span(len(NURSE) + 1, len(BOTH))
    assert (news.text, news.observed_at) == ('User: "I moved to Linz."', MAY_15)
    assert [op.after for op in memory.history(news.id, user_id="ana")] == [f'User: "{NURSE}"', news.text]


def test_message_shows_what_is_outdated(make: Make) -> None:
    memory = make(about(moved="Graz"), BOTH, "I moved to Linz.")
    for include in ("both", "turns"):
        hits = memory.search("sister Ana twins nurse Graz", user_id="ana", k=20, include=include)
        (turn,) = {turn.id: turn for hit in hits for turn in hit.turns if "twins" in turn.text}.values()
        assert (turn.text, turn.shown) == (BOTH, f"[no longer so: {NURSE}] {TWINS}")
    lines = memory.answer("Does my sister have twins?", user_id="ana", k=20).context.splitlines()
    assert f"user: {NURSE} (no longer so)" in lines
    assert f"user: {TWINS}" in lines


def test_restore_undoes_the_change_of_a_part(make: Make) -> None:
    memory = make(about(moved="Graz"), BOTH, "I moved to Linz.")
    rest, news = memory.get_all(user_id="ana")
    memory.restore(news.id, user_id="ana")
    assert contents(memory) == [f'User: "{TWINS}"', f'User: "{NURSE}"']
    assert "no longer so" not in everything(memory).replace("I moved to Linz. (no longer so)", "")
    memory.restore(rest.id, user_id="ana")
    assert memory.get(rest.id, user_id="ana").text == f'User: "{BOTH}"'


def test_all_clauses_are_replaced_together(make: Make) -> None:
    memory = make(about(moved="."), BOTH, "I moved to Linz.")
    assert contents(memory) == ['User: "I moved to Linz."']


def test_update_of_no_clause_adds(make: Make) -> None:
    memory = make(about(moved="Graz.*twins"), BOTH, "I moved to Linz.")
    assert contents(memory) == [f'User: "{BOTH}"', 'User: "I moved to Linz."']


def test_single_clause_is_asked_about_once(make: Make) -> None:
    memory = make(about(moved="Graz"), "I'm a nurse in Graz.", "I moved to Linz.")
    assert contents(memory) == ['User: "I moved to Linz."']
    assert [call.role for call in memory.engine.calls].count("memory_update") == 1  # type: ignore[attr-defined]


def test_pronoun_is_asked_about_with_its_noun(make: Make) -> None:
    said = "I have a sister, Ana. She is a nurse."
    asked: list[str] = []

    def decide(prompt: str) -> str:
        asked.append(pair(prompt)[0])
        return "UPDATE" if "nurse" in prompt else "ADD"

    memory = make(decide, extraction=lambda prompt: "before" if prompt.endswith("nurse.") else choose(prompt))
    memory.add(said, user_id="ana", thread_id="a")
    memory.add("Ana became a doctor.", user_id="ana", thread_id="b")
    assert asked == [
        f'User: "{said}"',
        'User: "I have a sister, Ana."',
    ]  # the second clause is asked about as the whole was
    assert contents(memory) == ['User: "I have a sister, Ana."', 'User: "Ana became a doctor."']


def test_two_changes_of_one_quotation_at_once(make: Make) -> None:
    memory = make(about(moved="Graz", triplets="twins"), f"{BOTH} I like tea.")
    memory.add(["I moved to Linz.", "No, Ana has triplets."], user_id="ana")
    assert sorted(contents(memory)) == [
        'User: "I like tea."',
        'User: "I moved to Linz."',
        'User: "No, Ana has triplets."',
    ]


def test_two_facts_of_one_message_replace_nothing_of_each_other(make: Make) -> None:
    memory = make(about(moved="Graz", doctor="Graz"), "I'm a nurse in Graz.", "I moved to Linz. I became a doctor.")
    assert contents(memory) == ['User: "I moved to Linz."', 'User: "I became a doctor."']


def test_request_and_news_in_one_message(make: Make) -> None:
    memory = make(about(nurse="nurse", moved="nurse"), BOTH)
    memory.add("I moved to Linz. Forget that I'm a nurse.", user_id="ana", observed_at=MAY_15)
    assert contents(memory) == [f'User: "{TWINS}"', 'User: "I moved to Linz."']
    assert "nurse" not in everything(memory).replace("Forget that I'm a nurse.", "")


def test_news_about_a_forgotten_part_is_added(make: Make) -> None:
    memory = make(about(nurse="nurse", moved="nurse"), BOTH)
    memory.add("Forget that I'm a nurse. I moved to Linz.", user_id="ana", observed_at=MAY_15)
    texts = [operation.after for operation in memory.history(user_id="ana")]
    assert contents(memory) == [f'User: "{TWINS}"', 'User: "I moved to Linz."']
    assert texts.count(f'User: "{NURSE}"') == 1


def test_older_news_splits_nothing(make: Make) -> None:
    memory = make(about(moved="Graz"), BOTH)
    (before,) = memory.get_all(user_id="ana")
    memory.add("I moved to Linz.", user_id="ana", observed_at=MAY_8 - timedelta(days=9), thread_id="old")
    assert contents(memory) == [before.text]
    assert "I moved to Linz. (no longer so)" in memory.answer("Linz", user_id="ana", k=20).context


# -- a part that is forgotten


def test_forgetting_a_part_keeps_the_rest(make: Make) -> None:
    memory = make(about(nurse="nurse"), BOTH)
    (before,) = memory.get_all(user_id="ana")
    result = memory.add("Forget that I'm a nurse.", user_id="ana")
    assert [op.event for op in result.operations] == ["UPDATE", "ADD", "DELETE"]
    assert [(m.id, m.text) for m in memory.get_all(user_id="ana")] == [(before.id, f'User: "{TWINS}"')]
    assert "nurse" not in everything(memory)
    assert "twins" in everything(memory)
    memory.restore(str(result.operations[-1].memory_id), user_id="ana")
    assert contents(memory) == [f'User: "{TWINS}"', f'User: "{NURSE}"']
    assert BOTH in everything(memory)


def test_parts_around_a_forgotten_one_stay(make: Make) -> None:
    memory = make(about(nurse="nurse"), f"I like tea, and {BOTH}", "Forget that I'm a nurse.")
    assert contents(memory) == ['User: "I like tea,"', f'User: "{TWINS}"']


def test_request_that_names_no_clause_deletes_all(make: Make) -> None:
    memory = make(about(all="nurse.*twins"), BOTH, "Forget all of that.")
    assert contents(memory) == []
    assert "nurse" not in "".join(hit.text for hit in memory.search("nurse", user_id="ana"))


def test_part_of_an_earlier_message_of_the_same_add(make: Make) -> None:
    memory = make(about(nurse="nurse"))
    memory.add([BOTH, "Forget that I'm a nurse."], user_id="ana")
    assert contents(memory) == [f'User: "{TWINS}"']


def test_repeated_message_is_withheld_with_a_part(make: Make) -> None:
    memory = make(about(nurse="nurse", twins="twins"), BOTH, BOTH, "Forget that I'm a nurse.")
    assert BOTH not in everything(memory)
    memory = make(about(nurse="nurse", twins="twins"), BOTH, BOTH, "Forget the twins.", "Forget that I'm a nurse.")
    assert contents(memory) == []


def test_export_carries_split_memories(make: Make, make_memory: Make, quotes: Bundle, tmp_path: Path) -> None:
    memory = make(about(moved="Graz", tea="tea"), f"I like tea, and {BOTH}", "I moved to Linz.", "Forget the tea.")
    memory.export(tmp_path / "ana.jsonl")
    other = make_memory(path=tmp_path / "other", experts=quotes, index=InMemoryVectorStore(BagOfWords()))
    other.import_(tmp_path / "ana.jsonl")
    assert other.get_all(user_id="ana") == memory.get_all(user_id="ana")
    assert everything(other) == everything(memory)


@pytest.mark.parametrize("request_first", [False, True])
def test_withheld_words_are_not_quoted_by_an_answer(make: Make, request_first: bool) -> None:
    memory = make(about(nurse="nurse"), extraction=lambda p: "context" if p.endswith("Six months.") else choose(p))
    forget = ["Forget that I'm a nurse."]
    answer = [("assistant", "How old are they?"), "Six months."]
    memory.add([BOTH, *(forget + answer if request_first else answer + forget)], user_id="ana")
    assert contents(memory) == [f'User: "{TWINS}"', 'User: "Six months."']
    assert "nurse" not in everything(memory)


# -- the same words in another context


def test_answer_to_another_question_is_no_repetition(make: Make) -> None:
    memory = make(about(), extraction=lambda prompt: "context")
    for city in ("Oslo", "Rome", "Rome"):
        asked = f"{city}, how nice. How long will you stay?"
        memory.add(
            [("assistant", asked), "Six nights."], user_id="ana", thread_id=str(len(memory.history(user_id="ana")))
        )
    assert [op.event for op in memory.history(user_id="ana")] == ["ADD", "ADD", "NONE"]


def test_statement_in_another_context_is_a_repetition(make: Make) -> None:
    memory = make(about())
    for city in ("Oslo", "Rome"):
        memory.add([("assistant", f"{city} it is."), "I never eat meat."], user_id="ana", thread_id=city)
    assert [op.event for op in memory.history(user_id="ana")] == ["ADD", "NONE"]


# -- whatever the experts answer


@settings(max_examples=20)
@given(st.integers(), st.lists(st.tuples(st.integers(1, 3), st.booleans()), min_size=3, max_size=5))
def test_no_clause_is_lost_and_none_forgotten_is_shown(
    quotes: Bundle, tmp_path: Path, seed: int, talk: list[tuple[int, bool]]
) -> None:
    """Clauses that the expert left alone are kept; deleted ones are shown nowhere."""

    def decide(prompt: str) -> str:
        return random.Random(f"{seed} {prompt}").choice(["ADD", "ADD", "NONE", "UPDATE", "UPDATE", "DELETE", "DELETE"])

    numbers = iter(range(99))
    messages: list[list[str]] = []
    for count, forgets in talk:
        clauses = [f"I have the number{next(numbers)} thing" for _ in range(count)]
        messages.append([f"{' and '.join(clauses)}.", *(["Forget that thing."] if forgets else [])])
    engine = ScriptedEngine(extraction=choose, memory_update=decide, generation=lambda prompt: "x")
    path, index = tmp_path / str(len([*tmp_path.iterdir()])), InMemoryVectorStore(BagOfWords())
    with MemLoRAMemory(path=path, experts=quotes, engine=engine, index=index, reranker=None) as memory:
        for message in messages:
            memory.add(message, user_id="ana")
        kept, history = "\n".join(contents(memory)), memory.history(user_id="ana")
        shown = everything(memory, "have number thing")
    expert = [op for op in history if op.by == "expert"]
    touched = " ".join((op.fact if op.event == "NONE" else op.before) or "" for op in expert)
    deleted = " ".join(op.before or "" for op in expert if op.event == "DELETE")
    for clause in (f"number{i} " for i in range(next(numbers))):
        assert clause in kept or clause in touched
        assert clause not in deleted or clause not in shown
