"""Tests of the search for messages that nearly repeat another one."""

import json
from pathlib import Path

import pytest
from support import BagOfWords

from langchain_memlora.lab.training import near_duplicates as module
from langchain_memlora.lab.training.messages import LabelledMessage, LabelledSentence, MessageBefore
from langchain_memlora.lab.training.near_duplicates import main, near_duplicates

LONG = "so I have been keeping two goats behind the old barn for about a year now"


def message(id: str, text: str, fact: str = "", before: str = "") -> LabelledMessage:
    context = (MessageBefore("assistant", before),) if before else ()
    return LabelledMessage(id, text, (LabelledSentence(text, (fact,) if fact else ()),), context)


def dropped(*messages: LabelledMessage) -> list[tuple[str, str]]:
    return [(pair.kept.id, pair.repeated.id) for pair in near_duplicates(messages, 0.9, BagOfWords())]


def test_repetition_is_found_and_the_first_kept() -> None:
    other = message("n2-1", "Which bread keeps longest?")
    assert dropped(message("n1-1", LONG), other, message("n3-1", f"{LONG}!"), message("n4-1", LONG)) == [
        ("n1-1", "n3-1"),
        ("n1-1", "n4-1"),
    ]


@pytest.mark.parametrize("held", ["u1-7", "w12-7", "w37-7"])
def test_held_out_message_is_kept(held: str) -> None:
    assert dropped(message("n1-1", LONG), message(held, LONG)) == [(held, "n1-1")]
    assert dropped(message(held, LONG), message("u1-8", LONG)) == []


@pytest.mark.parametrize(
    "other",
    [
        message("n2-1", LONG, "User has been keeping two goats"),
        message("n2-1", LONG, before="Which animals live on your farm, and for how long have they been there?"),
        message("n2-1", f"{LONG} Lena"),
        message("n2-1", f"{LONG} 7"),
        message("n2-1", "I like tea"),
    ],
    ids=["label", "question", "name", "number", "words"],
)
def test_what_differs_stays(other: LabelledMessage) -> None:
    assert dropped(message("n1-1", LONG), other) == []


def test_command_removes_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "default_embeddings", BagOfWords)
    files = []
    for name, texts in {"n1": [LONG, "Hi, you"], "n2": [LONG, "Bye then"]}.items():
        files.append(tmp_path / f"{name}.jsonl")
        lines = [
            json.dumps({"id": f"{name}-{n}", "message": t, "sentences": [{"text": t, "facts": []}]})
            for n, t in enumerate(texts)
        ]
        files[-1].write_text("\n".join(lines) + "\n")
    before = [file.read_bytes() for file in files]
    main([*map(str, files), "--threshold", "0.95"])
    assert "1 near-duplicates: n2 1" in capsys.readouterr().out
    assert [file.read_bytes() for file in files] == before
    main([*map(str, files), "--threshold", "0.95", "--remove"])
    assert "1 removed" in capsys.readouterr().out
    assert files[0].read_bytes() == before[0]
    assert [json.loads(line)["id"] for line in files[1].read_text().splitlines()] == ["n2-1"]
