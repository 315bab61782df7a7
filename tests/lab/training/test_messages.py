"""Tests of the labelled messages: the shipped ones, invalid ones, and what is held out."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.lab.training import json_lines
from langchain_memlora.lab.training.messages import LabelledMessage, LabelledSentence, load_messages, split_messages

GOOD: dict[str, Any] = {
    "id": "m1-1",
    "context": [{"role": "assistant", "content": "How long will you stay?"}],
    "message": "Six nights.\nNo, seven.",
    "sentences": [
        {"text": "Six nights.", "facts": [], "later": 1},
        {"text": "No, seven.", "facts": ["User will stay seven nights"], "forget": ""},
    ],
}


def _write(path: Path, *lines: dict[str, Any]) -> Path:
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    return path


def test_shipped_messages_load() -> None:
    messages = load_messages()
    assert len(messages) > 11_000
    assert len({message.id for message in messages}) == len(messages)
    silent = sum(message.is_silent for message in messages)
    assert 0.4 < silent / len(messages) < 0.6
    files = Counter(message.file for message in messages)
    assert set(files) == {f"w{n}" for n in range(1, 47)} | {f"n{n}" for n in range(1, 22)} | {"u1"}
    training, held = split_messages(messages)
    assert {message.file for message in held} == {"u1", "w12", "w37"}
    assert len(training) + len(held) == len(messages)


def test_message_loads(tmp_path: Path) -> None:
    (message,) = load_messages(_write(tmp_path / "m.jsonl", GOOD))
    assert message.file == "m1"
    assert not message.is_silent
    assert message.sentences[0] == LabelledSentence("Six nights.", (), later=1)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"message": "Six nights."}, "are not its message"),
        ({"sentences": []}, "sentences"),
        ({"sentences": [{"text": GOOD["message"], "facts": [], "later": 0}]}, "later=0"),
        ({"sentences": [{"text": GOOD["message"]}]}, "facts"),
        ({"sentences": [{"text": GOOD["message"], "facts": [], "mood": 1}]}, "mood"),
        ({"context": [{"role": "system", "content": "x"}]}, "role"),
        ({"id": ""}, "id"),
    ],
)
def test_invalid_message_names_file_and_line(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    path = _write(tmp_path / "m.jsonl", GOOD, {**GOOD, **changes})
    with pytest.raises(InvalidInputError, match=r"m\.jsonl:2 is not a labelled message") as caught:
        load_messages(path)
    assert named in str(caught.value)
    assert "training-data.md" in str(caught.value)


def test_ungrounded_facts_raise(tmp_path: Path) -> None:
    pytest.importorskip("langchain_memlora.experts.grounding")
    made_up = [{"text": GOOD["message"], "facts": ["User will stay seven nights in Porto"]}]
    path = _write(tmp_path / "m.jsonl", GOOD, {**GOOD, "sentences": made_up})
    assert len(load_messages(path)) == 2
    with pytest.raises(InvalidInputError, match=r"(?s)m\.jsonl:2.*Porto"):
        load_messages(path, grounded=True)


def test_own_messages_are_split_by_twelfths() -> None:
    messages = [LabelledMessage(f"m-{n}", "Hi.", (LabelledSentence("Hi.", ()),)) for n in range(24)]
    training, held = split_messages(messages)
    assert [message.id for message in held] == ["m-0", "m-12"]
    assert len(training) == 22
    with pytest.raises(InvalidInputError, match="1 labelled messages"):
        split_messages(messages[:1])


def test_package_without_data_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines.resources, "files", lambda package: tmp_path)
    with pytest.raises(InvalidInputError, match="Train from a clone"):
        load_messages()
