"""Tests of training on a tiny Llama."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file
from support.models import ROLES, TEMPLATE, Tiny, write_base, write_bundle
from transformers import AutoModelForCausalLM, AutoTokenizer

from langchain_memlora.bundles import Role, load_bundle
from langchain_memlora.engines.base import Request
from langchain_memlora.engines.loading import tokenizer_sha256
from langchain_memlora.engines.transformers import TransformersEngine
from langchain_memlora.engines.transformers_tokens import TransformersTokens
from langchain_memlora.errors import InvalidInputError
from langchain_memlora.lab.training.batches import collate, tokenize_row
from langchain_memlora.lab.training.build import build_expert, split, story_rows
from langchain_memlora.lab.training.rows import TextRow, as_row
from langchain_memlora.lab.training.stories import load_stories
from langchain_memlora.lab.training.train import RECIPES, Recipe, computes_in_bfloat16, train_expert

ROLE = Role.EXTRACTION
ROWS = [as_row(f"Say it {i % 7}", "unknown") for i in range(32)]
RECIPE = Recipe(targets="all-linear", batch=4, learning_rate=3e-3, epochs=1.0, max_length=64, evaluations=4)


@pytest.fixture(scope="session", autouse=True)
def _one_torch_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    root = tmp_path_factory.mktemp("trained")
    write_bundle(root / "bundle", root / "base", write_base(root / "base"))
    for role in ROLES:
        shutil.rmtree(root / "bundle" / role)
    (root / "bundle" / "prompts" / "memory_update.txt").write_text("{old} {new}\n")
    (root / "bundle" / "prompts" / "generation.txt").write_text("{context} {question}\n")
    return Tiny(root / "base", root / "bundle")


@pytest.fixture
def fresh(tiny: Tiny, tmp_path: Path) -> Path:
    """A bundle without adapters."""
    return Path(shutil.copytree(tiny.bundle_path, tmp_path / "bundle"))


def _wrapping(tiny: Tiny) -> TransformersTokens:
    return TransformersTokens(AutoTokenizer.from_pretrained(tiny.base), TEMPLATE)


MIXED = [
    as_row("a", "none"),
    as_row("Ana lives in Berlin and works", "1 lives in Berlin\n2 moved"),
    as_row("ab c", "x"),
]


def test_collate_pads_and_masks(tiny: Tiny) -> None:
    wrapping = _wrapping(tiny)
    tokenizer = wrapping.tokenizer
    examples = [tokenize_row(row, wrapping) for row in MIXED]
    batch = collate(examples, pad_id=0)
    longest = max(len(example["input_ids"]) for example in examples)
    endings = [example["input_ids"][example["prompt_length"] :] for example in examples]
    kept = max(map(len, endings)) + 1
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (3, longest)
    assert batch["labels"].shape == (3, kept)
    assert batch["logits_to_keep"] == kept
    for i, (example, ending, row) in enumerate(zip(examples, endings, MIXED, strict=True)):
        assert tokenizer.decode(ending) == row["completion"][0]["content"] + tokenizer.eos_token
        labels = batch["labels"][i]
        assert labels[labels != -100].tolist() == ending
        assert batch["input_ids"][i, -len(ending) :].tolist() == labels[-len(ending) :].tolist()
        assert batch["attention_mask"][i].sum() == len(example["input_ids"])
        real = batch["input_ids"][i][batch["attention_mask"][i].bool()].tolist()
        assert real == example["input_ids"]
        assert tokenizer.decode(real[: example["prompt_length"]]).endswith("<|im_start|>assistant\n")


def test_loss_matches_plain_forward(tiny: Tiny) -> None:
    wrapping = _wrapping(tiny)
    tokenizer = wrapping.tokenizer
    examples = [tokenize_row(row, wrapping) for row in MIXED]
    model = AutoModelForCausalLM.from_pretrained(tiny.base, dtype=torch.float32).eval()
    with torch.no_grad():
        fast = model(**collate(examples, pad_id=tokenizer.pad_token_id)).loss
        losses = []
        for example in examples:
            ids = torch.tensor([example["input_ids"]])
            probabilities = model(input_ids=ids).logits[0].log_softmax(-1)
            losses += [-probabilities[p - 1, ids[0, p]] for p in range(example["prompt_length"], ids.shape[1])]
    assert fast.item() == pytest.approx(torch.stack(losses).mean().item(), abs=1e-4)


@pytest.mark.parametrize(("units", "expected"), [({}, False), ({"avx2": True}, False), ({"avx512_bf16": True}, True)])
def test_dtype_follows_the_processor(units: dict[str, bool], expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: units)
    assert computes_in_bfloat16(Recipe()) is expected
    assert computes_in_bfloat16(Recipe(bf16=True))
    assert not computes_in_bfloat16(Recipe(bf16=False))


def _train(
    path: Path, work: Path, recipe: Recipe = RECIPE, rows: list[TextRow] = ROWS, **options: Any
) -> dict[str, Any]:
    return train_expert(ROLE, load_bundle(path), rows, ROWS[:4], work, recipe, **options)


def test_trained_adapter_loads(fresh: Path, tmp_path: Path) -> None:
    long = as_row("word " * 80, "unknown")
    record = _train(fresh, tmp_path / "work", replace(RECIPE, epochs=3.0), [*ROWS, long])
    assert record["rows"] == len(ROWS)
    assert record["rows_too_long"] == 1
    assert record["steps"] == 24
    assert record["resumed_at_step"] == 0
    log = json.loads((tmp_path / "work" / "log.json").read_text())
    losses = [entry["eval_loss"] for entry in log if "eval_loss" in entry]
    assert min(losses) < 0.7 * losses[0]
    assert record["validation_loss"] == round(min(losses), 4)
    bundle = load_bundle(fresh)
    assert set(bundle.adapters) == {ROLE}
    config = json.loads((fresh / ROLE / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] is None
    tensors = load_file(fresh / ROLE / "adapter_model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}
    assert sorted(path.name for path in (fresh / ROLE).iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    with TransformersEngine(bundle, dtype="float32", device="cpu") as engine:
        prompt = ROWS[0]["prompt"][0]["content"]
        choices = ("unknown", "none")
        ours, base = engine.run([Request(r, prompt, 8, choices) for r in (ROLE, None)])
        assert ours.adapter == ROLE
        assert ours.probabilities[0] > base.probabilities[0]


def test_activated_lora_trains_with_prompt_lookup(fresh: Path, tmp_path: Path) -> None:
    _train(fresh, tmp_path / "work", replace(RECIPE, epochs=3.0, invocation="<|im_start|>assistant"))
    bundle = load_bundle(fresh)
    assert json.loads((fresh / ROLE / "adapter_config.json").read_text())["alora_invocation_tokens"]
    asked = Request(ROLE, ROWS[0]["prompt"][0]["content"], 8)
    with TransformersEngine(bundle, dtype="float32", device="cpu", prompt_lookup=True) as engine:
        assert engine.run([asked])[0].text != engine.run([replace(asked, role=None)])[0].text


@pytest.mark.parametrize("half_written", [False, True])
def test_stopped_run_resumes(fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half_written: bool) -> None:
    real = transformers.Trainer.training_step
    done = 0

    def stops(self: Any, *args: Any, **options: Any) -> Any:
        nonlocal done
        done += 1
        if done == 6:
            raise KeyboardInterrupt
        return real(self, *args, **options)

    work = tmp_path / "work"
    with monkeypatch.context() as patch:
        patch.setattr(transformers.Trainer, "training_step", stops)
        with pytest.raises(KeyboardInterrupt):
            _train(fresh, work)
    assert not (fresh / ROLE).exists()
    if half_written:  # killed while it wrote the next one
        shutil.copytree(work / "checkpoint-4", work / "checkpoint-6")
        (work / "checkpoint-6" / "trainer_state.json").unlink()
    record = _train(fresh, work)
    assert record["resumed_at_step"] == 4
    assert record["steps"] == 8
    assert set(load_bundle(fresh).adapters) == {ROLE}


def test_float32(fresh: Path, tmp_path: Path) -> None:
    record = _train(fresh, tmp_path / "work", replace(RECIPE, bf16=False, epochs=0.5, evaluations=1))
    assert record["recipe"]["bf16"] is False
    assert 0 < record["validation_loss"] < 10
    assert set(load_bundle(fresh).adapters) == {ROLE}


def test_empty_rows_raise(fresh: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="0 rows, 4 validation rows"):
        _train(fresh, tmp_path / "work", rows=[as_row("word " * 80, "x")])
    assert not (fresh / ROLE).exists()


def test_build_expert_from_stories(fresh: Path, tmp_path: Path, tiny: Tiny) -> None:
    stories = [s.model_copy(update={"sessions": s.sessions[:1], "questions": []}) for s in load_stories()[:13]]
    training, held_out = split(stories)
    assert [story.id for story in held_out] == [stories[0].id, stories[12].id]
    assert not {story.id for story in training} & {story.id for story in held_out}
    recipe = Recipe(batch=32, epochs=0.1, max_length=200, evaluations=1)
    role = Role.MEMORY_UPDATE
    made = build_expert(role, fresh, stories, tmp_path / "work", recipe)
    record = made.card.training[role]
    assert record["recipe"]["seed"] == 0
    assert record["steps"] > 0
    assert made.card.base.tokenizer_sha256 == tokenizer_sha256(AutoTokenizer.from_pretrained(tiny.base))
    assert set(made.adapters) == {role}
    again = build_expert(role, fresh, stories, tmp_path / "work", recipe, more=True)
    later = again.card.training[role]
    assert later["recipe"]["seed"] == 1
    assert later["resumed_at_step"] == 0
    assert later["before"] == record
    rows = [story_rows(role, again, training, replace(RECIPES[role], seed=seed)) for seed in (0, 1)]
    assert rows[0] != rows[1]
    with TransformersEngine(again, dtype="float32", device="cpu") as engine:
        assert engine.run([Request(role, "x", 2)])[0].adapter == role


def test_role_without_rows_raises(fresh: Path) -> None:
    with pytest.raises(InvalidInputError, match="vision"):
        story_rows(Role.VISION, load_bundle(fresh), [])
