"""Tests of the strict measure and of `memlora evaluate exchanges`, with made-up exchanges and rule-based experts."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from support import BagOfWords
from typer.testing import CliRunner, Result

from langchain_memlora.cli.app import app
from langchain_memlora.cli.setting import Setting
from langchain_memlora.errors import InvalidInputError
from langchain_memlora.lab.evaluation.datasets.exchanges import Exchange, HandLabel, Stored, load_exchanges, load_stored
from langchain_memlora.lab.evaluation.exchanges import agreement, draw, evaluate_exchanges, play, rejected
from langchain_memlora.lab.evaluation.metrics.strict import Source, Verdict, assess, coverage
from langchain_memlora.lab.evaluation.runs import read_lines
from langchain_memlora.lab.evaluation.statistics import cohen_kappa
from tests.lab.evaluation.conftest import Opener

MESSAGE = (
    "My sister Ana moved to Porto, not to Lisbon. Ben has 3 dogs and Ana has 2 cats. I don't eat pork, but I love beef. "
    "My piano lessons are on Monday."
)
FACTS = (
    "User's sister Ana moved to Porto",
    "Ben has 3 dogs",
    "Ana has 2 cats",
    "User does not eat pork",
    "User has piano lessons on Monday",
)
ASKED = "How tall are you?"


def labels(
    *texts: str, facts: Sequence[str] = FACTS, said: str = MESSAGE, context: tuple[str, ...] = (), form: Any = None
) -> list[str]:
    found = assess(BagOfWords(), [(text, form) for text in texts], facts, Source(said, context))
    return [str(verdict.label) for verdict in found]


def covered(*texts: str, facts: Sequence[str] = FACTS, said: str = MESSAGE, form: Any = None) -> list[str]:
    found = assess(BagOfWords(), [(text, form) for text in texts], facts, Source(said))
    return [str(part) for part in coverage(found, len(facts))]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("User's sister Ana moved to Porto", "right"),
        ("Ana moved to Porto", "right"),
        ("Ana moved to Porto and has 2 cats", "right"),
        ("User's sister Ana moved to Lisbon", "wrong negation"),
        ("User's sister Eva moved to Porto", "invented"),
        ("Ben has 4 dogs", "invented"),
        ("Ben has 2 dogs", "wrong detail"),
        ("Ana has 3 dogs", "wrong detail"),
        ("User eats pork", "wrong negation"),
        ("User does not eat beef", "wrong detail"),
        ("User has 3 dogs", "wrong detail"),
        ("User's sister has 3 dogs", "wrong detail"),
        ("User loves beef", "not stated"),
        ("User has piano lessons", "right"),
        ("User plays the violin", "invented"),
    ],
)
def test_sentence_label(text: str, label: str) -> None:
    assert labels(text) == [label]


def test_sentence_needs_the_meaning_of_a_fact() -> None:
    assert labels("User loves beef", facts=["User has piano lessons on Monday"]) == ["not stated"]
    assert labels("User loves beef", facts=[]) == ["not stated"]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ('User: "My sister Ana moved to Porto, not to Lisbon."', "right"),
        ('User: "Ben has 3 dogs and Ana has 2 cats."', "right"),
        ('User: "My piano lessons"', "incomplete"),
        ('User: "I don\'t eat pork, but I love beef."', "right"),
        ('User: "I love beef."', "not stated"),
        ('User: "I eat pork."', "wrong negation"),
        ('User: "My sister Ana moved to Porto with Carla."', "invented"),
    ],
)
def test_quotation_label(text: str, label: str) -> None:
    assert labels(text, form="said") == [label]
    assert labels(text, form=None) == [label]


def test_quotation_may_state_several_facts() -> None:
    assert covered('User: "Ben has 3 dogs and Ana has 2 cats."', form="said") == [
        "missed",
        "found",
        "found",
        "missed",
        "missed",
    ]


def test_quotation_is_read_with_its_question() -> None:
    facts, context = ["User is 1.88 tall"], (ASKED,)
    assert labels(f'Assistant: "{ASKED}" User: "1.88"', facts=facts, said="1.88", context=context) == ["right"]
    assert labels('User: "1.88"', facts=facts, said="1.88", context=context) == ["incomplete"]
    denied = ["User does not eat pork"]
    question = 'Assistant: "Do you eat pork?" User: "No"'
    assert labels(question, facts=denied, said="No", context=("Do you eat pork?",)) == ["right"]
    assert labels(question, facts=["User eats pork"], said="No", context=("Do you eat pork?",)) == ["wrong negation"]


def test_repeat_is_not_right() -> None:
    assert labels("Ben has 3 dogs", "Ben has three dogs", "Ana has 2 cats") == ["right", "repeat", "right"]


def test_fact_is_found_partly_or_missed() -> None:
    assert covered("User's sister Ana moved to Porto") == ["found", *["missed"] * 4]
    assert covered("Ana moved to Porto", "User has piano lessons", "Ben has 2 dogs", "User eats pork") == [
        "partly",
        "missed",
        "missed",
        "missed",
        "partly",
    ]
    assert coverage([Verdict("right", (1,), (0,))], 3) == ["partly", "found", "missed"]  # type: ignore[arg-type]


def test_name_that_begins_a_fact_counts() -> None:
    said = "Marta runs the bakery. Marta's brother Marc drives a taxi."
    assert labels("Marc runs the bakery", facts=["Marta runs the bakery"], said=said) == ["wrong detail"]


def exchange(number: int, said: str, *facts: str, kind: str = "plain", forget: tuple[str, ...] = ()) -> Exchange:
    return Exchange(f"x{number}", (), ({"role": "user", "content": said},), facts, kind, forget)


EXCHANGES = [
    exchange(1, "I have a dog named Rex", "User has a dog named Rex"),
    exchange(2, "hm, what a day", kind="small talk"),
    exchange(3, "I once had a boat in a dream", kind="small talk"),
    exchange(4, "Forget that I live in Porto", kind="forget", forget=("User lives in Porto",)),
]
STORED = {
    "x1": Stored([("User has a dog named Rex", "written")]),
    "x3": Stored([("User had a boat", "written")], [("User had a boat", None)]),
    "x4": Stored([], [("User lives in Porto", None)]),
}


def test_scores_by_kind_with_intervals() -> None:
    scores, rows = evaluate_exchanges(EXCHANGES, STORED, BagOfWords())
    assert scores["right"]["mean"] == 0.5
    assert scores["right"]["low"] < 0.5 < scores["right"]["high"]
    assert scores["found"]["mean"] == 1.0
    assert scores["silent"] == {**scores["silent"], "mean": 2 / 3, "n": 3}
    assert (scores["wrong_forgets"]["mean"], scores["forgotten"]["mean"]) == (0.25, 1.0)
    assert scores["by_kind"]["small talk"]["silent"]["mean"] == 0.5
    assert scores["by_kind"]["plain"]["silent"] is None
    assert [(text["id"], text["label"]) for text in rejected(rows)] == [("x3", "not stated"), ("x3", "wrong forget")]


def test_agreement_with_hand_labels() -> None:
    _, rows = evaluate_exchanges(EXCHANGES, STORED, BagOfWords())
    hand = [
        HandLabel("x1", "User has a dog named Rex", "right"),
        HandLabel("x3", "User had a boat", "not told"),
        HandLabel("x4", "forget: User lives in Porto", "vague"),
        HandLabel("x4", "User is a pilot", "invented"),
    ]
    found = agreement(rows, hand)
    assert found["agreement"]["mean"] == 2 / 3
    assert found["kappa"] == pytest.approx(0.4)
    assert found["confusion"]["not told"] == {"not stated": 1}
    assert found["unmatched"] == 1
    with pytest.raises(InvalidInputError, match="None of 1 labels"):
        agreement(rows, hand[-1:])


@pytest.mark.parametrize(
    ("a", "b", "kappa"), [("rrww", "rrww", 1.0), ("rrww", "rwrw", 0.0), ("rw", "wr", -1.0), ("rr", "rr", None)]
)
def test_kappa(a: str, b: str, kappa: float | None) -> None:
    assert cohen_kappa([*a], [*b]) == kappa
    assert cohen_kappa([], []) is None


def test_sample_keeps_order() -> None:
    assert draw(EXCHANGES, None) == EXCHANGES
    assert [one.id for one in draw(EXCHANGES, 2, seed=3)] == sorted(one.id for one in draw(EXCHANGES, 2, seed=3))


LINES: list[dict[str, Any]] = [
    {
        "id": 1,
        "context": [
            {"role": "user", "content": "I keep bees"},
            {"role": "assistant", "content": "Where do you live?"},
        ],
        "new": [{"role": "user", "content": "I live in Porto"}],
        "facts": ["live in Porto"],
        "kind": "plain",
    },
    {"id": 2, "context": [], "new": [{"role": "user", "content": "hm nice"}], "facts": [], "kind": "small talk"},
    {
        "id": 3,
        "context": [],
        "new": [{"role": "user", "content": "forget that I live in Porto"}],
        "facts": [],
        "kind": "forget",
        "forget": "live in Porto",
    },
]


def write(file: Path, lines: Sequence[dict[str, Any]]) -> Path:
    file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return file


@pytest.fixture
def exchanges_file(tmp_path: Path) -> Path:
    return write(tmp_path / "exchanges.jsonl", LINES)


@pytest.fixture
def memlora(opener: Opener, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: object, code: int = 0) -> Result:
        result = CliRunner().invoke(app, [str(word) for word in words], obj=Setting(opener=opener))
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return run


def test_context_is_shown_but_not_read(opener: Opener, exchanges_file: Path, tmp_path: Path) -> None:
    with opener(path=tmp_path / "home") as memory:
        stored = play(memory, load_exchanges(exchanges_file))
    assert stored["1"].texts == [("User live in Porto", "written")]
    assert stored["2"] == Stored()
    assert [text for text, _ in stored["3"].forgets] == ["User that I live in Porto"]
    assert any("keep bees" in request.prompt for request in opener.asked if request.role == "extraction")


def test_evaluate_exchanges_command(
    memlora: Callable[..., Result], opener: Opener, exchanges_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shown = memlora("evaluate", "exchanges", exchanges_file, "--out", out).stdout
    scores = json.loads((out / "scores.json").read_text())["exchanges"]
    assert (scores["right"]["mean"], scores["found"]["mean"], scores["silent"]["mean"]) == (1.0, 1.0, 1.0)
    assert (scores["wrong_forgets"]["mean"], scores["forgotten"]["mean"]) == (0.0, 1.0)
    assert "rejected.md" in shown
    assert json.loads((out / "rejected.json").read_text()) == []
    assert len(read_lines(out / "rows.jsonl")) == 3
    memlora("report", out, "--out", tmp_path / "docs")
    assert "| small talk | 1 | 0 |" in (tmp_path / "docs/report.md").read_text()


def test_predictions_and_labels_run_no_model(
    memlora: Callable[..., Result], opener: Opener, exchanges_file: Path, tmp_path: Path
) -> None:
    texts = [
        {"id": 1, "text": "live in Porto", "label": "right"},
        {"id": 1, "text": 'User: "I live in | Porto"', "label": "repeat"},
        {"id": 2, "text": "nice", "label": "not told"},
        {"id": 3, "text": "", "label": "silent"},
    ]
    file, out = write(tmp_path / "labels.jsonl", texts), tmp_path / "run"
    shown = memlora("evaluate", "exchanges", exchanges_file, "--labels", file, "--out", out).stdout
    assert "3 hand labels agree on 1.000" in shown
    assert "kappa 1.000" in shown
    assert opener.asked == []
    page = (out / "rejected.md").read_text()
    assert "User may" not in page
    assert "in \\| Porto" in page
    assert [text["label"] for text in json.loads((out / "rejected.json").read_text())] == ["repeat", "not stated"]
    memlora("evaluate", "exchanges", exchanges_file, "--predictions", file, "--out", out)
    assert "by_hand" not in json.loads((out / "scores.json").read_text())["exchanges"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"new": "hello"}, "line 1, can't be read as an exchange"),
        ({"new": [{"role": "assistant", "content": "hello"}]}, "no user message"),
        ({"new": [{"role": "robot", "content": "hello"}]}, "roles are"),
        ({"facts": "lives in Porto"}, "not a list of sentences"),
        ({"id": 2}, "several exchanges with the id '2'"),
    ],
)
def test_invalid_exchange_names_the_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    file = write(tmp_path / "x.jsonl", [{**LINES[0], **change}, LINES[1]])
    with pytest.raises(InvalidInputError, match=message):
        load_exchanges(file)


@pytest.mark.parametrize("row", [{"id": 9, "text": "x"}, {"id": 1}, {"id": 1, "text": "x", "form": "sung"}])
def test_invalid_prediction_names_the_line(tmp_path: Path, exchanges_file: Path, row: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="line 1, can't be used"):
        load_stored(write(tmp_path / "p.jsonl", [row]), load_exchanges(exchanges_file))


def test_invalid_arguments(memlora: Callable[..., Result], tmp_path: Path) -> None:
    assert "needs a file of exchanges" in memlora("evaluate", "exchanges", "--out", tmp_path, code=1).stderr
    words = ("evaluate", "updates", "--out", tmp_path, "--labels", "x.jsonl")
    assert "only apply to exchanges" in memlora(*words, code=1).stderr
    (tmp_path / "empty.jsonl").write_text("\n")
    words = ("evaluate", "exchanges", tmp_path / "empty.jsonl", "--out", tmp_path)
    assert "has no exchanges" in memlora(*words, code=1).stderr
