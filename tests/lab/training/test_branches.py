"""Tests of training on messages as trees, on tiny models."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from support.models import ROLES, TEMPLATE, Tiny, write_base, write_bundle
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

from langchain_memlora.bundles import Role, load_bundle
from langchain_memlora.cli.app import app
from langchain_memlora.engines.base import Request
from langchain_memlora.engines.transformers import TransformersEngine
from langchain_memlora.engines.transformers_tokens import TransformersTokens
from langchain_memlora.errors import BundleError, InvalidInputError
from langchain_memlora.experts.sentence_prompt import LABELS
from langchain_memlora.lab.training import branches
from langchain_memlora.lab.training.branches import (
    CHOICE_RECIPE,
    as_tree,
    batches,
    collate_trees,
    label_ids,
    pick_attention,
    train_choices,
)
from langchain_memlora.lab.training.build import build_choice_expert
from langchain_memlora.lab.training.choices import ChoiceRow, choice_rows
from langchain_memlora.lab.training.messages import LabelledMessage, LabelledSentence
from langchain_memlora.lab.training.train import Recipe

RECIPE = Recipe(
    targets="all-linear", tokens=300, learning_rate=3e-3, epochs=2.0, max_length=150, evaluations=4, patience=9
)
FAMILIES = {
    "llama": transformers.LlamaConfig,
    "qwen2": transformers.Qwen2Config,
    "gemma2": transformers.Gemma2Config,
    "gemma3": transformers.Gemma3TextConfig,
}


def _message(number: int) -> LabelledMessage:
    told = LabelledSentence(f"I live in Berlin {number}.", (f"User lives in Berlin {number}",))
    idle = LabelledSentence("So what?", ())
    sentences = [(told, idle), (idle,), (idle, idle), (idle, told, told)][number % 4]
    return LabelledMessage(f"m-{number}", " ".join(s.text for s in sentences), sentences)


MESSAGES = [_message(number) for number in range(48)]
CUTS = ChoiceRow(("user: ab c\nab", "user: ab c\nc", "user: ab c\nab c and more"), ("none", "alone", "later"))
ROWS = [CUTS, ChoiceRow(("user: I love the sea",), ("forget",)), ChoiceRow(("a", "Ana lives"), ("before", "context"))]


@pytest.fixture(scope="module", autouse=True)
def _one_torch_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    root = tmp_path_factory.mktemp("branches")
    write_bundle(root / "bundle", root / "base", write_base(root / "base"))
    for role in ROLES:
        shutil.rmtree(root / "bundle" / role)
    (root / "bundle" / "prompts" / "extraction.txt").write_text("{dialogue}\n\nSentence: {sentence}\nStates?\n")
    card = json.loads((root / "bundle" / "card.json").read_text())
    (root / "bundle" / "card.json").write_text(json.dumps({**card, "dialect": "spans"}))
    return Tiny(root / "base", root / "bundle")


@pytest.fixture
def fresh(tiny: Tiny, tmp_path: Path) -> Path:
    """A bundle of the spans dialect without adapters."""
    return Path(shutil.copytree(tiny.bundle_path, tmp_path / "bundle"))


@pytest.fixture
def tokens(tiny: Tiny) -> TransformersTokens:
    return TransformersTokens(AutoTokenizer.from_pretrained(tiny.base), TEMPLATE)


def _of_trees(model: Any, rows: list[ChoiceRow], tokens: TransformersTokens) -> list[list[float]]:
    """The probabilities of the labels of every sentence, from one batch of trees."""
    batch = collate_trees([as_tree(row, tokens) for row in rows], pad_id=tokens.pad, dtype=torch.float32)
    labels = batch.pop("labels")
    with torch.no_grad():
        logits = model(**batch).logits
    assert logits.shape[:2] == labels.shape
    assert [LABELS[label] for label in labels[labels >= 0].tolist()] == [label for row in rows for label in row.labels]
    return logits[labels >= 0][:, label_ids(tokens)].softmax(-1).tolist()


@pytest.mark.parametrize(("family", "attention"), [*((family, None) for family in FAMILIES), ("llama", "eager")])
def test_trees_match_separate_rows(family: str, attention: str | None, tokens: TransformersTokens) -> None:
    torch.manual_seed(0)
    config = FAMILIES[family](
        vocab_size=len(tokens.tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        initializer_range=0.3,
    )
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention or pick_attention(config)).eval()
    expected = []
    for row in ROWS:
        for prompt in row.prompts:
            with torch.no_grad():
                logits = model(torch.tensor([tokens.chat([("user", prompt)])])).logits[0, -1]
            expected.append(logits[label_ids(tokens)].softmax(-1).tolist())
    for got, wanted in zip(_of_trees(model, ROWS, tokens), expected, strict=True):
        assert got == pytest.approx(wanted, abs=1e-4)


def test_tree_shares_what_prompts_share(tokens: TransformersTokens) -> None:
    tree = as_tree(CUTS, tokens)
    prompts = [tokens.chat([("user", prompt)]) for prompt in CUTS.prompts]
    assert [[*tree.trunk, *branch] for branch in tree.branches] == prompts
    assert len({branch[0] for branch in tree.branches}) > 1
    assert len(tree) < sum(map(len, prompts))
    single = as_tree(ROWS[1], tokens)
    assert len(single.branches[0]) == 1
    same = as_tree(ChoiceRow(("a", "a"), ("none", "none")), tokens)
    assert [len(branch) for branch in same.branches] == [1, 1]


def test_batches_fit_the_budget(tokens: TransformersTokens) -> None:
    trees = [as_tree(ChoiceRow(("a" * n,), ("none",)), tokens) for n in (5, 90, 7, 30, 6, 31)]
    made = batches(trees, 60)
    assert sorted(map(id, (tree for batch in made for tree in batch))) == sorted(map(id, trees))
    assert all(len(batch) * max(map(len, batch)) <= 60 for batch in made if len(batch) > 1)
    assert len(made) < len(trees)
    assert made == batches(trees, 60)
    assert batches(trees * 9, 60, 1) == batches(trees * 9, 60, 1) != batches(trees * 9, 60, 2)


def test_labels_need_different_tokens(tokens: TransformersTokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branches, "LABELS", ("none", "none at all"))
    with pytest.raises(BundleError, match="begin with the same token"):
        label_ids(tokens)


def _train(path: Path, work: Path, recipe: Recipe = RECIPE) -> tuple[dict[str, Any], Any]:
    bundle = load_bundle(path)
    return train_choices(bundle, choice_rows(bundle, MESSAGES[8:]), choice_rows(bundle, MESSAGES[:8]), work, recipe)


@pytest.mark.parametrize("bf16", [False, True])
def test_training_learns_to_choose(fresh: Path, tmp_path: Path, bf16: bool) -> None:
    record, choice = _train(fresh, tmp_path / "work", replace(RECIPE, epochs=6.0, bf16=bf16))
    log = json.loads((tmp_path / "work" / "log.json").read_text())
    losses = [entry["eval_loss"] for entry in log if "eval_loss" in entry]
    assert losses[-1] < 0.7 * losses[0]
    best = max(entry["eval_auc"] for entry in log if "eval_auc" in entry)
    assert record["validation"]["auc"] == best
    assert record["validation"]["states_auc"] > 0.9
    assert (record["rows"], record["validation_rows"], record["sentences"]) == (40, 8, 80)
    assert 0 <= choice.states <= 1
    rows = choice_rows(load_bundle(fresh), MESSAGES[:8], named=0)
    with TransformersEngine(load_bundle(fresh), dtype="float32", device="cpu") as engine:
        asked = [Request(Role.EXTRACTION, prompt, 1, LABELS) for row in rows for prompt in row.prompts]
        answers = [completion.probabilities for completion in engine.run(asked)]
    labels = [label for row in rows for label in row.labels]
    states = {kind: [sum(a[2:]) for a, label in zip(answers, labels, strict=True) if label == kind] for kind in LABELS}
    assert sum(states["alone"]) / len(states["alone"]) > sum(states["none"]) / len(states["none"]) + 0.2


def test_engine_has_the_probabilities_of_trees(tiny: Tiny, tokens: TransformersTokens) -> None:
    rows = choice_rows(tiny.bundle, MESSAGES[:4], named=0)
    model = AutoModelForCausalLM.from_pretrained(tiny.base, dtype=torch.float32).eval()
    with TransformersEngine(tiny.bundle, dtype="float32", device="cpu") as engine:
        asked = [Request(None, prompt, 1, LABELS) for row in rows for prompt in row.prompts]
        answers = [list(completion.probabilities) for completion in engine.run(asked)]
    for got, wanted in zip(_of_trees(model, rows, tokens), answers, strict=True):
        assert got == pytest.approx(wanted, abs=1e-4)


def test_stopped_run_resumes(fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = _train(Path(shutil.copytree(fresh, tmp_path / "other")), tmp_path / "whole")
    real = transformers.Trainer.training_step
    done = 0

    def stops(self: Any, *args: Any, **options: Any) -> Any:
        nonlocal done
        done += 1
        if done == whole["steps"] // 2 + 2:
            raise KeyboardInterrupt
        return real(self, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(transformers.Trainer, "training_step", stops)
        with pytest.raises(KeyboardInterrupt):
            _train(fresh, tmp_path / "work")
    assert not (fresh / Role.EXTRACTION).exists()
    record, _ = _train(fresh, tmp_path / "work")
    assert record["resumed_at_step"] > 0
    assert record["steps"] == whole["steps"]
    assert record["validation"] == whole["validation"]


def test_no_messages_raise(fresh: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="No messages to train"):
        _train(fresh, tmp_path, replace(RECIPE, max_length=5))


def test_build_writes_thresholds_to_the_card(fresh: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=0.3, evaluations=1)
    build = partial(build_choice_expert, fresh, MESSAGES, tmp_path / "work", recipe, validation=MESSAGES)
    made = build(data=["mine"])
    record = made.card.training["extraction"]
    assert record["rows"] == record["validation_rows"] == 48
    assert made.card.choice.states != 0.5  # 24 silent messages are enough
    assert made.card.data == ["mine"]
    assert set(made.adapters) == {Role.EXTRACTION}
    again = build(more=True).card.training["extraction"]
    assert again["before"] == record
    assert again["recipe"]["seed"] == 1


def _lines(path: Path) -> Path:
    rows = [
        {"id": m.id, "message": m.message, "sentences": [{"text": s.text, "facts": s.facts} for s in m.sentences]}
        for m in MESSAGES
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_train_command(fresh: Path, tmp_path: Path) -> None:
    file = _lines(tmp_path / "m.jsonl")
    command = ["train", "extraction", "--bundle", str(fresh), "--messages", str(file), "--allow-ungrounded"]
    done = CliRunner().invoke(app, [*command, "--tokens", "300", "--epochs", "0.3", "--rank", "2"])
    assert done.exit_code == 0, done.output
    recipe = load_bundle(fresh).card.training["extraction"]["recipe"]
    assert (recipe["tokens"], recipe["rank"], recipe["alpha"]) == (300, 2, 4)
    assert recipe["max_length"] == CHOICE_RECIPE.max_length


@pytest.mark.parametrize(
    ("role", "options", "named"),
    [
        ("extraction", ["--batch", "2"], "Pass --messages or --tokens"),
        ("extraction", ["--stories"], "Pass --messages or --tokens"),
        ("memory_update", ["--messages"], "Pass --stories or --batch"),
        ("generation", ["--tokens", "9"], "Pass --stories or --batch"),
    ],
)
def test_unsuitable_options_raise(fresh: Path, tmp_path: Path, role: str, options: list[str], named: str) -> None:
    files = [str(_lines(tmp_path / "m.jsonl"))] if len(options) == 1 else []
    done = CliRunner().invoke(app, ["train", role, "--bundle", str(fresh), *options, *files])
    assert done.exit_code
    assert isinstance(done.exception, InvalidInputError | SystemExit)
    assert named in f"{done.output} {done.exception}"
