"""The rows of the engine conformance suite are from messages and stories that no expert is trained on."""

import dataclasses
import json
from importlib import resources

from langchain_memlora.bundles import Role, load_bundle
from langchain_memlora.experts.sentence_prompt import LABELS
from langchain_memlora.lab.training.build import split
from langchain_memlora.lab.training.conformance_rows import COUNTS, MESSAGES, SLOTS, sentence_rows, story_rows
from langchain_memlora.lab.training.messages import load_messages, split_messages
from langchain_memlora.lab.training.stories import load_stories
from langchain_memlora.testing.engine_conformance import conformance_cases

FILE = resources.files("langchain_memlora.testing") / "data" / "heldout.jsonl"
ROWS = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
SENTENCES = [row for row in ROWS if row["role"] == Role.EXTRACTION]


def test_sources_are_held_out() -> None:
    trained_on, validation = split(load_stories())
    stories = {row["source"] for row in ROWS} - {row["source"] for row in SENTENCES}
    assert stories <= {story.id for story in validation if story.validation}
    assert not stories & {story.id for story in trained_on}
    _, messages = split_messages(load_messages())
    assert {row["source"] for row in SENTENCES} <= {message.id for message in messages}


def test_file_is_current() -> None:
    """Contexts of questions are left out of the comparison: equal ranks may come in another order."""
    assert list(sentence_rows(split_messages(load_messages())[1])) == SENTENCES
    _, validation = split(load_stories())
    made = list(story_rows(validation, {Role.MEMORY_UPDATE: COUNTS[Role.MEMORY_UPDATE]}))
    assert made == [row for row in ROWS if row["role"] == Role.MEMORY_UPDATE]
    asked = {question.q for story in validation for question in story.questions}
    assert {row["slots"]["question"] for row in ROWS if row["role"] == Role.GENERATION} <= asked


def test_every_label_is_asked_for() -> None:
    cases = [case for case in conformance_cases(load_bundle()) if case.request.role is Role.EXTRACTION]
    assert {case.gold for case in cases} == set(LABELS)
    assert {case.request.choices for case in cases} == {LABELS}


def test_cases_are_rendered_by_the_bundle() -> None:
    cases = conformance_cases(load_bundle(), messages=2, pairs=3, questions=1)
    asked = [case for case in cases if case.request.role is Role.EXTRACTION]
    assert len({case.source for case in asked}) == 2
    assert [case.request.role for case in cases[len(asked) :]] == [*[Role.MEMORY_UPDATE] * 3, Role.GENERATION]
    assert SENTENCES[0]["slots"]["dialogue"] in cases[0].request.prompt
    assert f"Sentence: {SENTENCES[0]['slots']['sentence']}\n" in cases[0].request.prompt
    assert cases[0].gold == SENTENCES[0]["gold"]
    assert len({row["source"] for row in SENTENCES}) == MESSAGES
    assert all(set(row["slots"]) == set(SLOTS[Role(row["role"])]) for row in ROWS)


def test_other_dialects_have_no_sentences_to_label() -> None:
    bundle = load_bundle()
    of_lines = dataclasses.replace(bundle, card=bundle.card.model_copy(update={"dialect": "lines"}))
    assert {case.request.role for case in conformance_cases(of_lines)} == {Role.MEMORY_UPDATE, Role.GENERATION}
