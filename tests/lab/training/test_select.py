"""Tests of expert selection, of assembled bundles and of the default score."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from support import BagOfWords
from support.models import ROLES, Tiny, write_base, write_bundle
from typer.testing import CliRunner

from langchain_memlora.bundles import Role, load_bundle
from langchain_memlora.cli.app import app
from langchain_memlora.engines.loading import tokenizer_sha256
from langchain_memlora.errors import BundleError, BundleMismatchError, InvalidInputError
from langchain_memlora.lab.selection.scoring import StoryScore, answer_f1, questions_of
from langchain_memlora.lab.selection.select import select_experts
from langchain_memlora.lab.training.build_rows import build_from_rows
from langchain_memlora.lab.training.bundling import assemble_bundle, start_bundle
from langchain_memlora.lab.training.row_files import write_rows
from langchain_memlora.lab.training.rows import as_row
from langchain_memlora.lab.training.stories import Story
from langchain_memlora.lab.training.train import Recipe

EXTRACTION, UPDATE, GENERATION = Role.EXTRACTION, Role.MEMORY_UPDATE, Role.GENERATION
PROMPTS = {"extraction": "{dialogue}\n", "memory_update": "{old} {new}\n", "generation": "{context} {question}\n"}


@pytest.fixture(scope="session", autouse=True)
def _one_torch_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    root = tmp_path_factory.mktemp("selected")
    write_bundle(root / "bundle", root / "base", write_base(root / "base"))
    for role, text in PROMPTS.items():
        (root / "bundle" / "prompts" / f"{role}.txt").write_text(text)
    return Tiny(root / "base", root / "bundle")


@pytest.fixture
def candidate(tiny: Tiny, tmp_path: Path) -> Callable[[str], Path]:
    """A bundle whose adapters have weights of their own: the last byte is drawn from the name."""

    def make(name: str) -> Path:
        path = Path(shutil.copytree(tiny.bundle_path, tmp_path / name))
        for role in ROLES:
            weights = path / role / "adapter_model.safetensors"
            weights.write_bytes(weights.read_bytes()[:-1] + bytes([sum(map(ord, name)) % 128]))
        return path

    return make


def _card(path: Path, **changes: Any) -> None:
    card = json.loads((path / "card.json").read_text())
    (path / "card.json").write_text(json.dumps({**card, **changes}))


# -- selection ---------------------------------------------------------------------------------------------------


class TableScore:
    """Scores by which candidate's weights are in which role, and logs every call."""

    name = "by table"

    def __init__(self, worth: dict[str, float], pairs: dict[tuple[str, ...], float] | None = None) -> None:
        self.worth, self.pairs, self.asked = worth, pairs or {}, []

    def __call__(self, path: Path) -> float:
        bundle = load_bundle(path)
        bytes_of = {role: (p / "adapter_model.safetensors").read_bytes()[-1] for role, p in bundle.adapters.items()}
        names = tuple(next(n for n in self.worth if sum(map(ord, n)) % 128 == b) for b in bytes_of.values())
        self.asked.append(dict(zip(bytes_of, names, strict=True)))
        return self.pairs.get(names, sum(self.worth[name] for name in names))


WORTH = {"ea": 0.20, "eb": 0.19, "ec": 0.02, "ud": 0.10, "ue": 0.01, "gf": 0.30, "gh": 0.29}


@pytest.fixture
def candidates(candidate: Callable[[str], Path]) -> dict[Role, list[Path]]:
    made = {name: candidate(name) for name in WORTH}
    return {
        role: [p for n, p in made.items() if n[0] == role[0].replace("m", "u")]
        for role in (EXTRACTION, UPDATE, GENERATION)
    }


def test_roles_are_selected_in_pipeline_order(candidates: dict[Role, list[Path]], tmp_path: Path) -> None:
    score = TableScore(WORTH, {("eb", "ud", "gh"): 0.9})
    made = select_experts(candidates, score, tmp_path / "work", margin=0.02)
    # Later roles are played by the base model, earlier ones by the best so far.
    assert score.asked[:3] == [{EXTRACTION: name} for name in ("ea", "eb", "ec")]
    assert score.asked[3:5] == [{EXTRACTION: "ea", UPDATE: name} for name in ("ud", "ue")]
    assert score.asked[5:7] == [{EXTRACTION: "ea", UPDATE: "ud", GENERATION: name} for name in ("gf", "gh")]
    # Then what was close to the best is combined, nothing is scored twice, and the best combination need not be of winners.
    assert score.asked[7:] == [{EXTRACTION: "eb", UPDATE: "ud", GENERATION: name} for name in ("gf", "gh")]
    assert {role: path.name for role, path in made.chosen.items()} == {EXTRACTION: "eb", UPDATE: "ud", GENERATION: "gh"}
    assert made.score == 0.9
    table = (tmp_path / "work" / "table.md").read_text()
    assert "| combination | eb | ud | gh | 0.9000 | chosen |" in table
    assert "| extraction | ec | (base) | (base) | 0.0200 |  |" in table
    assert len(table.splitlines()) == 2 + len(score.asked)


def test_stopped_selection_resumes(candidates: dict[Role, list[Path]], tmp_path: Path) -> None:
    score, work = TableScore(WORTH), tmp_path / "work"

    def stops(path: Path) -> float:
        if len(score.asked) == 4:
            raise KeyboardInterrupt
        return score(path)

    stops.name = score.name  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        select_experts(candidates, stops, work)
    with (work / "scores.jsonl").open("a") as file:
        file.write('{"key": "torn')
    whole = TableScore(WORTH)
    expected = select_experts(candidates, whole, tmp_path / "other")
    made = select_experts(candidates, score, work)
    assert made == expected
    assert len(score.asked) == len(whole.asked)
    select_experts(candidates, score, work)
    assert len(score.asked) == len(whole.asked)
    weights = candidates[GENERATION][1] / GENERATION / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + bytes([sum(map(ord, "ue")) % 128]))  # trained again
    select_experts(candidates, score, work)
    assert len(score.asked) > len(whole.asked)


def test_scores_are_kept_per_measure(candidates: dict[Role, list[Path]], tmp_path: Path) -> None:
    one, other = TableScore(WORTH), TableScore(WORTH)
    other.name = "another"
    only = {EXTRACTION: candidates[EXTRACTION][:1]}
    for score in (one, other):
        select_experts(only, score, tmp_path)
        assert len(score.asked) == 1


def test_empty_candidates_raise(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="at least one bundle"):
        select_experts({EXTRACTION: []}, TableScore({}), tmp_path)


# -- bundles -----------------------------------------------------------------------------------------------------


def test_assembled_bundle_records_its_sources(candidate: Callable[[str], Path], tmp_path: Path) -> None:
    one, two = candidate("one"), candidate("two")
    _card(one, licence="MIT", data=["a"], training={"extraction": {"rows": 1}, "generation": {"rows": 9}})
    _card(two, licence="CC0", data=["a", "b"], training={"generation": {"rows": 2}}, window={"new_turns": 1})
    (two / "prompts" / "generation.txt").write_text("{question} {context}\n")
    scores = {"selection": {"value": 0.5}}
    made = assemble_bundle({EXTRACTION: one, GENERATION: two}, tmp_path / "made", scores=scores)
    assert made.adapters.keys() == {EXTRACTION, GENERATION}
    assert made.prompts[GENERATION] == "{question} {context}"
    assert made.card.training == {"extraction": {"rows": 1}, "generation": {"rows": 2}}
    assert (made.card.name, made.card.licence, made.card.data) == ("made", "unknown", ["a", "b"])
    assert made.card.window.new_turns == 4
    assert made.card.scores == scores
    named = assemble_bundle({GENERATION: one}, tmp_path / "named", name="n", licence="MIT", data=["c"], check=False)
    assert (named.card.name, named.card.licence, named.card.data) == ("n", "MIT", ["c"])


def test_incompatible_bundles_raise(candidate: Callable[[str], Path], tmp_path: Path) -> None:
    one, two, target = candidate("one"), candidate("two"), tmp_path / "made"
    both = {EXTRACTION: one, GENERATION: two}
    _card(two, dialect="json")
    with pytest.raises(BundleMismatchError, match="different dialects"):
        assemble_bundle(both, target)
    _card(two, dialect="lines", base={"name": "elsewhere"})
    with pytest.raises(BundleMismatchError, match="different base models"):
        assemble_bundle(both, target)
    shutil.rmtree(two / GENERATION)
    with pytest.raises(BundleError, match="no generation adapter"):
        assemble_bundle(both, target)
    with pytest.raises(InvalidInputError, match="exists"):
        assemble_bundle({EXTRACTION: one}, two)
    with pytest.raises(InvalidInputError, match="at least one"):
        assemble_bundle({}, target)
    assert not target.exists()


def test_failed_assembly_leaves_no_bundle(candidate: Callable[[str], Path], tmp_path: Path) -> None:
    one = candidate("one")
    base = json.loads((one / "card.json").read_text())["base"]
    _card(one, base={**base, "tokenizer_sha256": "0" * 64})
    with pytest.raises(BundleMismatchError, match="another tokenizer"):
        assemble_bundle({EXTRACTION: one}, tmp_path / "made")
    assert not (tmp_path / "made").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_bundle_command_takes_selection(candidate: Callable[[str], Path], tmp_path: Path) -> None:
    one = candidate("one")
    select_experts({EXTRACTION: [one]}, TableScore({"one": 0.25}), tmp_path / "work")
    chosen = str(tmp_path / "work" / "chosen.json")
    done = CliRunner().invoke(app, ["bundle", str(tmp_path / "made"), "--chosen", chosen, "--licence", "MIT"])
    assert done.exit_code == 0, done.output
    card = load_bundle(tmp_path / "made").card
    assert card.scores == {"selection": {"value": 0.25, "measure": "by table", "trials": 1}}
    both = CliRunner().invoke(app, ["bundle", str(tmp_path / "x"), "--chosen", chosen, "--extraction", str(one)])
    assert both.exit_code == 1
    assert "either --chosen or the bundles" in " ".join(both.output.split())


# -- students on any base ------------------------------------------------------------------------------------------


def test_student_trains_on_other_base(tiny: Tiny, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    bundle = start_bundle(tiny.bundle_path, tmp_path / "mine", base=str(tiny.base), own_data=True)
    assert (bundle.card.licence, bundle.card.data, bundle.adapters) == ("unknown", [], {})
    assert bundle.chat_template  # this tokenizer has none of its own
    rows = [(as_row(f"Say it {n}", "unknown"), f"chat {n}") for n in range(26)]
    write_rows(tmp_path / "rows.jsonl", rows)
    recipe = Recipe(batch=8, epochs=1.0, evaluations=1)
    made = build_from_rows(GENERATION, bundle.path, [tmp_path / "rows.jsonl"], tmp_path / "work", recipe)
    assert made.card.training[GENERATION]["rows"] == 23
    assert made.card.training[GENERATION]["validation_rows"] == 3
    assert made.card.data == ["rows.jsonl"]
    assert made.card.base.tokenizer_sha256 == tokenizer_sha256(AutoTokenizer.from_pretrained(tiny.base))
    assert assemble_bundle({GENERATION: made.path}, tmp_path / "whole").adapters.keys() == {GENERATION}


def test_train_command_validates_rows_option(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("{}")
    command = ["train", "generation", "--bundle", str(tmp_path / "b"), "--rows", str(rows)]
    for extra, said in ((["--more"], "Leave the others out"), ([], "rows.jsonl:1 is not a row")):
        done = CliRunner().invoke(app, [*command, *extra])
        assert done.exit_code == 1
        assert said in " ".join(done.output.split())
    assert not (tmp_path / "b").exists()


# -- the default score -------------------------------------------------------------------------------------------


STORY = Story.model_validate(
    {
        "id": "s",
        "sessions": [
            {
                "date": "2024-05-08 12:00",
                "turns": [
                    {"by": "user", "say": "I live in Rome", "facts": [{"id": "f1", "fact": "lives in Rome"}]},
                    {"by": "user", "say": "I ran yesterday", "facts": [{"id": "f2", "fact": "ran yesterday"}]},
                ],
            }
        ],
        "questions": [
            {"q": "Where do I live?", "a": "Rome", "from": ["f1"]},
            {"q": "When did I run?", "a": "{when:f2}", "from": ["f2"]},
            {"q": "When did I live?", "a": "{when:f1}", "from": ["f1"]},
            {"q": "What is my pin?", "a": None, "from": []},
        ],
    }
)


def test_questions_of_story() -> None:
    assert questions_of(STORY) == [
        ("Where do I live?", "Rome"),
        ("When did I run?", "7 May 2024"),
        ("What is my pin?", "unknown"),
    ]


@pytest.mark.parametrize(
    ("answer", "gold", "expected"),
    [
        ("Rome", "rome.", 1),
        ("in the city of Rome", "Rome", 0.4),
        ("Oslo", "Rome", 0),
        ("unknown", "unknown", 1),
        ("", "unknown", 1),
        ("Rome", "unknown", 0),
        ("unknown", "Rome", 0),
        ("", "Rome", 0),
    ],
)
def test_token_f1(answer: str, gold: str, expected: float) -> None:
    assert answer_f1(answer, gold) == pytest.approx(expected)


def test_story_score_runs_whole_pipeline(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    from langchain_memlora.lab.selection import scoring
    from langchain_memlora.testing import ScriptedEngine

    asked: list[Any] = []

    def engine(bundle: Any, **_: Any) -> ScriptedEngine:
        made = ScriptedEngine(
            extraction=lambda prompt: "1 lives in Rome\n2 ran yesterday",
            memory_update=lambda prompt: "ADD",
            generation=lambda prompt: "Rome" if "where" in prompt.lower() else "unknown",
        )
        asked.append(made)
        return made

    score = StoryScore([STORY], BagOfWords())
    with monkeypatch.context() as patch:
        patch.setattr(scoring, "TransformersEngine", engine)
        assert score(tiny.bundle_path) == pytest.approx(2 / 3)
    roles = [request.role for request in asked[0].calls]
    assert roles.count("generation") == 3
    assert set(roles) == {"extraction", "memory_update", "generation"}
    assert all("Rome" in request.prompt for request in asked[0].calls if "where" in request.prompt.lower())
    real = score(tiny.bundle_path)
    assert 0 <= real <= 1
    assert real == score(tiny.bundle_path)
    assert "3 questions" in score.name
