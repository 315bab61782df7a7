"""Tests of update rows whose texts are quotations, as a bundle of the `spans` dialect stores them."""

from __future__ import annotations

import dataclasses
import random
import re
from typing import Any

import pytest
from support import turn

from langchain_memlora.bundles import Bundle, Role
from langchain_memlora.engines.base import Completion
from langchain_memlora.experts.choosing import LABELS
from langchain_memlora.experts.dialects import Spans
from langchain_memlora.experts.windows import cut_windows
from langchain_memlora.lab.training.build import story_rows
from langchain_memlora.lab.training.fact_texts import FactTexts, quotations
from langchain_memlora.lab.training.rows import update_rows
from langchain_memlora.lab.training.stories import Story, StoryFact
from langchain_memlora.lab.training.train import Recipe
from langchain_memlora.types import Event, Memory

Pairs = dict[tuple[str, str], set[str]]


def _story(*turns: tuple[str, list[dict[str, str]]]) -> Story:
    said: list[dict[str, Any]] = [{"by": "user", "say": text, "facts": facts} for text, facts in turns]
    return Story.model_validate({"id": "s", "sessions": [{"date": "2024-05-08 12:00", "turns": said}]})


def _fact(key: str, fact: str, **relation: str) -> dict[str, str]:
    return {"id": key, "fact": fact, **relation}


def _pairs(bundle: Bundle, story: Story, **options: Any) -> Pairs:
    pairs: Pairs = {}
    for row in update_rows(bundle, [story], per_fact=9, **options):
        found = re.match(r"Old: (.*)\nNew: (.*)\nWhich\?", row["prompt"][0]["content"])
        assert found
        pairs.setdefault((found[1], found[2]), set()).add(row["completion"][0]["content"])
    return pairs


@pytest.fixture
def spans(bundle: Bundle) -> Bundle:
    return dataclasses.replace(bundle, card=bundle.card.model_copy(update={"dialect": "spans"}))


MOVES = _story(
    ("Hi! I live in Rome.", [_fact("f1", "lives in Rome")]),
    ("My flat in Oslo is cold. I moved to Oslo.", [_fact("f2", "moved to Oslo", updates="f1")]),
    ("Oslo it is, I moved.", [_fact("f3", "moved to Oslo", same="f2")]),
    ("Thanks! Please forget that I moved.", [_fact("f4", "'s move to Oslo", forget="f2")]),
)


def test_related_pairs_of_quotations(spans: Bundle) -> None:
    moved = 'User: "I moved to Oslo."'
    assert _pairs(spans, MOVES, quoted=1.0) == {
        ('User: "I live in Rome."', moved): {"UPDATE"},
        (moved, 'User: "Oslo it is, I moved."'): {"NONE"},
        (moved, 'forget that User: "Please forget that I moved."'): {"DELETE"},
    }


def test_forms_change_no_pair(bundle: Bundle, spans: Bundle) -> None:
    plain = update_rows(bundle, [MOVES])
    assert update_rows(bundle, [MOVES], quoted=1.0) == plain
    assert update_rows(spans, [MOVES], quoted=0.0) == plain
    mixed = update_rows(spans, [MOVES] * 20)
    assert [row["completion"] for row in mixed] == [row["completion"] for row in update_rows(bundle, [MOVES] * 20)]
    pairs = [pair for seed in range(9) for pair in _pairs(spans, MOVES, seed=seed)]
    kinds = {(': "' in old, ': "' in new) for old, new in pairs}
    assert kinds == {(False, False), (False, True), (True, False), (True, True)}


def test_recipe_sets_the_share(bundle: Bundle, spans: Bundle) -> None:
    assert Recipe().quoted == 0.5
    assert story_rows(Role.MEMORY_UPDATE, spans, [MOVES], Recipe(quoted=0.0, unrelated=9.0)) == update_rows(
        bundle, [MOVES]
    )
    assert story_rows(Role.MEMORY_UPDATE, spans, [MOVES], Recipe(quoted=1.0, unrelated=9.0)) == update_rows(
        spans, [MOVES], quoted=1.0
    )


def test_quotation_is_the_text_of_the_runtime() -> None:
    said = turn("Thanks!\nPlease  forget my address.", id="t2", speaker="ana")
    (window,) = cut_windows([said], whole_messages=True)
    completions = [Completion(label, tuple(float(label == name) for name in LABELS)) for label in ("none", "forget")]
    (fact,) = Spans().read_extraction(completions, window).facts
    address = StoryFact(id="f2", fact="'s address", forget="f1")
    assert quotations(said, [address])["f2"].text == fact.text == 'Ana: "Please forget my address."'

    story = _story(
        ("I live at 4 Elm Road.", [_fact("f1", "lives at 4 Elm Road")]),
        (said.text, [address.model_dump(exclude_none=True)]),
    )
    _, new = FactTexts(story, 1.0, random.Random(0)).pair("f1", "f2", Event.DELETE)
    old = Memory("m1", "User lives here", said.scope, *[said.observed_at] * 3)
    (ask,) = Spans().ask_update(dataclasses.replace(fact, text=fact.text.replace("Ana", "User")), [old])
    assert new == ask.slots["new"] == 'forget that User: "Please forget my address."'


@pytest.mark.parametrize(
    ("text", "fact", "expected"),
    [
        ("Hello. My bday is on 2 May. Any ideas?", "'s birthday is on May 2", "My bday is on 2 May."),
        ("I have a sister. She works as a nurse.", "'s sister is a nurse", "I have a sister. She works as a nurse."),
        ("It's raining. She's a nurse, my sister.", "'s sister is a nurse", "It's raining. She's a nurse, my sister."),
        ("Hers is a boat.", "'s friend has a boat", "Hers is a boat."),
        ("Here is news. I bought a boat.", "bought a boat", "I bought a boat."),
        ("I don't eat. I fly.", "does not fly", "I fly."),
        ("yes, that one", "lives in Rome", None),
        ("I do not", "is not", None),
    ],
)
def test_sentence_of_a_fact(text: str, fact: str, expected: str | None) -> None:
    found = quotations(turn(text), [StoryFact(id="f", fact=fact)])
    assert [item.text for item in found.values()] == ([f'User: "{expected}"'] if expected else [])


def test_quotation_that_calls_for_another_operation_is_not_used(spans: Bundle) -> None:
    story = _story(
        ("I live in Rome with a cat.", [_fact("f1", "lives in Rome"), _fact("f2", "has a cat")]),
        ("The cat is fine and I have a dog too.", [_fact("f3", "has a cat", same="f2"), _fact("f4", "has a dog")]),
        ("I moved to Oslo.", [_fact("f5", "lives in Oslo", updates="f1")]),
        ("I ski.", [_fact("f6", "skis")]),
    )
    pairs = _pairs(spans, story, quoted=1.0)
    rome, dog, oslo = (
        'User: "I live in Rome with a cat."',
        'User: "The cat is fine and I have a dog too."',
        'User: "I moved to Oslo."',
    )
    # It repeats the cat and adds a dog, so neither NONE nor ADD is right.
    assert not any(new == dog for _, new in pairs)
    assert pairs["User has a cat", "User has a cat"] == {"NONE"}
    # The quotation of the cat states the old home too: it is changed, and then it is no memory any more.
    assert pairs[rome, oslo] == {"UPDATE"}
    assert (rome, 'User: "I ski."') not in pairs
    assert pairs["User has a cat", "User skis"] == {"ADD"}


def test_sentence_that_states_and_forgets_is_not_quoted(spans: Bundle) -> None:
    story = _story(
        ("I live in Rome.", [_fact("f1", "lives in Rome")]),
        ("Forget Rome, I live in Oslo.", [_fact("f2", "'s home in Rome", forget="f1"), _fact("f3", "lives in Oslo")]),
    )
    assert {new for _, new in _pairs(spans, story, quoted=1.0)} <= {
        "forget that User's home in Rome",
        "User lives in Oslo",
    }


def test_request_about_several_memories(spans: Bundle) -> None:
    story = _story(
        ("I earn 2,000, or 2,400 from May.", [_fact("f1", "earns 2,000"), _fact("f2", "earns 2,400 from May")]),
        (
            "Forget what I earn.",
            [_fact("f3", "'s earnings", forget="f1"), _fact("f4", "'s earnings", forget="f2")],
        ),
    )
    pairs = _pairs(spans, story, quoted=1.0)
    request = 'forget that User: "Forget what I earn."'
    assert pairs['User: "I earn 2,000, or 2,400 from May."', request] == {"DELETE"}
    assert {label for (_, new), labels in pairs.items() if new.startswith("forget") for label in labels} == {"DELETE"}


def test_request_about_its_own_message(spans: Bundle) -> None:
    facts = [_fact("f1", "lives in Rome"), _fact("f2", "'s home in Rome", forget="f1")]
    pairs = _pairs(spans, _story(("I live in Rome. Forget my home in Rome.", facts)), quoted=1.0)
    assert pairs['User: "I live in Rome."', 'forget that User: "Forget my home in Rome."'] == {"DELETE"}
