"""Tests that training rows for extraction and memory update equal the prompts of the runtime."""

import re
from collections import Counter
from typing import Any

import pytest

from langchain_memlora.bundles import Bundle, Role
from langchain_memlora.engines.base import Completion
from langchain_memlora.experts.dialects.base import without_echoes
from langchain_memlora.experts.dialects.lines import Lines, read_fact
from langchain_memlora.experts.experts import Experts
from langchain_memlora.experts.windows import Window, cut_windows
from langchain_memlora.lab.training import rows as made
from langchain_memlora.lab.training.rows import TextRow, extraction_rows, story_sessions, update_rows
from langchain_memlora.lab.training.stories import Story, load_stories
from langchain_memlora.testing import ScriptedEngine


def _story(*turns: dict[str, Any], **fields: Any) -> Story:
    return Story.model_validate({"id": "s", "sessions": [{"date": "2024-05-08 12:00", "turns": turns}], **fields})


def _says(text: str, *facts: dict[str, str], by: str = "user") -> dict[str, Any]:
    return {"by": by, "say": text, "facts": list(facts)}


MOVES = _story(
    _says("I live in Rome with a cat", {"id": "f1", "fact": "lives in Rome"}, {"id": "f2", "fact": "has a cat"}),
    _says("Sunny Rome! You should try Testaccio.", by="assistant"),
    _says("hm", by="Tom"),
    _says("I moved to Oslo", {"id": "f3", "fact": "lives in Oslo", "updates": "f1"}),
    _says("still got the cat", {"id": "f4", "fact": "has a cat", "same": "f2"}),
    _says("forget my cat", {"id": "f5", "fact": "has a cat", "forget": "f2"}),
    _says("I bake", {"id": "f6", "fact": "bakes bread"}),
)


def _texts(row: TextRow) -> tuple[str, str]:
    return row["prompt"][0]["content"], row["completion"][0]["content"]


def test_extraction_targets(bundle: Bundle) -> None:
    seen: set[str] = set()
    for seed in range(6):
        for prompt, target in map(_texts, extraction_rows(bundle, story_sessions([MOVES]), seed=seed)):
            seen.add(target)
            lines = prompt.removesuffix("\n\nFacts:").split("\n")
            numbers = {m[1]: m[2] for line in lines if (m := re.match(r"(\d+) (.*)", line))}
            assert list(numbers) == [str(i + 1) for i in range(len(numbers))]
            assert not any("assistant:" in text for text in numbers.values())
            told = {"I live in Rome with a cat": {"lives in Rome", "has a cat"}, "forget my cat": {"forget: has a cat"}}
            rows = [line.split(" ", 1) for line in target.split("\n")] if target != "none" else []
            for text, facts in told.items():
                number = next((n for n, said in numbers.items() if said == f"user: {text}"), None)
                assert number is None or {fact for n, fact in rows if n == number} == facts
    assert "none" in seen
    assert any("forget: has a cat" in target for target in seen)


def test_row_prompts_match_runtime(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    windows: list[Window] = []

    def spy(*args: Any, **options: Any) -> list[Window]:
        windows.extend(cut := cut_windows(*args, **options))
        return cut

    monkeypatch.setattr(made, "cut_windows", spy)
    rows = extraction_rows(bundle, story_sessions([MOVES]))
    asked: list[str] = []

    def note(prompt: str) -> str:
        asked.append(prompt)
        return "none"

    with ScriptedEngine(extraction=note) as engine:
        Experts(bundle, engine).extract(windows)
    assert asked == [_texts(row)[0] for row in rows]
    # An exchange in which nobody but the assistant speaks is no row, and context is what came before in the session.
    assert all("- " not in asked[i] or i for i in range(len(asked)))


def test_targets_parse_back_to_annotations(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    windows: list[Window] = []

    def spy(*args: Any, **options: Any) -> list[Window]:
        windows.extend(cut := cut_windows(*args, **options))
        return cut

    monkeypatch.setattr(made, "cut_windows", spy)
    stories = load_stories()
    expected = {
        turn.id: [read_fact(f"forget: {f.fact}" if f.forget else f.fact, turn) for f in said.facts]
        for story in stories
        for turn, said in story.turns()
    }
    rows = extraction_rows(bundle, story_sessions(stories))
    assert len(rows) == len(windows)
    covered: Counter[str] = Counter()
    for row, window in zip(rows, windows, strict=True):
        reading = Lines().read_extraction([Completion(_texts(row)[1])], window)
        assert not reading.rejected
        facts = [fact for turn in window.turns for fact in expected[turn.id]]
        assert reading.facts == without_echoes(dict.fromkeys(facts))
        assert {fact.turn_id for fact in reading.facts} <= {turn.id for turn in window.turns}
        covered.update(turn.id for turn in window.turns)
    spoken = {turn.id for story in stories for turn, _ in story.turns() if turn.role == "user" and turn.text.strip()}
    assert set(covered) == spoken
    assert set(covered.values()) == {1}


def test_forget_request_can_cover_several_memories(bundle: Bundle) -> None:
    story = _story(
        _says(
            "I earn 2,000, or 2,400 from May", {"id": "f1", "fact": "earns 2,000"}, {"id": "f2", "fact": "earns 2,400"}
        ),
        _says(
            "forget my salary",
            {"id": "f3", "fact": "'s salary", "forget": "f1"},
            {"id": "f4", "fact": "'s salary", "forget": "f2"},
        ),
    )
    targets = "\n".join(_texts(row)[1] for row in extraction_rows(bundle, story_sessions([story])))
    assert targets.count("forget: 's salary") == 1
    wishes = [
        (prompt, label) for prompt, label in map(_texts, update_rows(bundle, [story], per_fact=9)) if "salary" in prompt
    ]
    assert {label for _, label in wishes} == {"DELETE"}
    assert {prompt.split("\n")[0] for prompt, _ in wishes} == {"Old: User earns 2,000", "Old: User earns 2,400"}


def test_update_labels_follow_relations(bundle: Bundle) -> None:
    rows = [_texts(row) for row in update_rows(bundle, [MOVES], per_fact=9)]
    pairs: dict[tuple[str, str], list[str]] = {}
    for prompt, label in rows:
        found = re.match(r"Old: (.*)\nNew: (.*)\nWhich\?", prompt)
        assert found
        pairs.setdefault((found[1], found[2]), []).append(label)
    assert pairs["User lives in Rome", "User lives in Oslo"] == ["UPDATE", "UPDATE"]
    assert pairs["User has a cat", "User has a cat"][:2] == ["NONE", "NONE"]
    assert pairs["User has a cat", "forget that User has a cat"] == ["DELETE", "DELETE"]
    assert pairs["User lives in Oslo", "User bakes bread"] == ["ADD"]
    # Memories that were updated or forgotten are no longer known.
    later = {old for old, new in pairs if new in {"User bakes bread", "forget that User has a cat"}}
    assert "User lives in Rome" not in later
    assert ("User has a cat", "User bakes bread") not in pairs
    assert all(
        label == "ADD" for (old, new), found in pairs.items() for label in found if "bread" in new and old != new
    )


def test_update_rows_of_shipped_stories(bundle: Bundle) -> None:
    rows = [_texts(row) for row in update_rows(bundle, load_stories())]
    labels = Counter(label for _, label in rows)
    assert set(labels) == {"ADD", "NONE", "UPDATE", "DELETE"}
    assert all(("forget that" in prompt) for prompt, label in rows if label == "DELETE")
    assert rows == [_texts(row) for row in update_rows(bundle, load_stories())]
    assert bundle.prompts[Role.MEMORY_UPDATE]
