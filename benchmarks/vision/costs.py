"""Does seeing cost memory quality? The same text experts on SmolLM2-135M and on vision-language models around it.

    python -m benchmarks.vision.costs       # or: make measure WHAT=vision-costs, after WHAT=vision, whose tower it takes (1 h)

Two models are made: in one only the connector learns (its language tower is SmolLM2, weight for weight), in the other all of
it does, as such models are made. On each, the shipped text experts are measured, and on the second an update expert
trained there beside one trained on SmolLM2. Each stage is done once; what was measured goes into docs/recorded/vision.json.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoTokenizer,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3Processor,
)

from benchmarks.record import read_figures, write_figures
from benchmarks.vision.drawings import SIDE, Drawing, scenes
from benchmarks.vision.runs import MACHINE, OUT, RECORD, held_out
from benchmarks.vision.small_vlm import FOLD, IMAGE, PATCH, pixels
from langchain_memlora.bundles import load_bundle
from langchain_memlora.bundles.bundle import BaseSpec
from langchain_memlora.engines import Request, TransformersEngine
from langchain_memlora.engines.vision_models import VisionProcessor, language_targets
from langchain_memlora.experts.vision import DESCRIBE
from langchain_memlora.lab.evaluation.datasets import DATASETS
from langchain_memlora.lab.evaluation.runs import read_answers
from langchain_memlora.lab.evaluation.score import compare
from langchain_memlora.lab.evaluation.statistics import mcnemar, wilson
from langchain_memlora.lab.training.bundling import write_card
from langchain_memlora.lab.training.train import Recipe, fit
from langchain_memlora.lab.training.vision import collate
from langchain_memlora.lab.training.vision_rows import VisionRow
from langchain_memlora.models import resolve_base_model

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}"
    "{{ '<image>' if part['type'] == 'image' else part['text'] }}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LANGUAGE, CONNECTED, WHOLE = "SmolLM2-135M", "connector learned", "all of it learned"
CONNECTOR = Recipe(targets=(), learning_rate=1e-3, batch=16, evaluations=2)
ALL = Recipe(targets=(), learning_rate=1e-4, batch=16, evaluations=2)
ROWS, DESCRIBED = 4000, 200
HERE = OUT / "costs"


def main() -> None:
    """Make the models, measure on each what text experts do, and keep the record."""
    connected, whole = HERE / "connected", HERE / "whole"
    if not (connected / "config.json").exists():
        make(HERE / "new", OUT / "base")
        learn(HERE / "new", connected, CONNECTOR, only="connector")
    if not (whole / "config.json").exists():
        learn(connected, whole, ALL)
    bundles = {
        LANGUAGE: load_bundle().path,
        CONNECTED: transplant(connected, HERE / "connected-bundle"),
        WHOLE: transplant(whole, HERE / "whole-bundle"),
    }
    measured: dict[str, dict[str, Any]] = {name: {} for name in bundles}
    for name, bundle in bundles.items():
        if name != LANGUAGE:
            measured[name]["described"] = described(bundle)
        measured[name]["updates"] = evaluated("updates", bundle)["accuracy"]
    for name, base in ((LANGUAGE, None), (WHOLE, whole)):  # the other reads and writes words as SmolLM2 does
        measured[name]["updates, trained there"] = evaluated("updates", trained(base))["accuracy"]
        measured[name]["answers"] = evaluated("assistant", bundles[name])["f1"]
    costs = {"measured": measured, "differences": differences(), "machine": MACHINE}
    write_figures(RECORD, read_figures(RECORD) | {"costs": costs})
    print(json.dumps(costs, indent=1))


def make(folder: Path, eyes: Path) -> None:
    """Write a model of SmolVLM's architecture: SmolLM2 with the vision tower of `eyes` and an untrained connector."""
    torch.manual_seed(0)
    source = resolve_base_model().source
    tokenizer = AutoTokenizer.from_pretrained(source, padding_side="left")
    tokenizer.add_special_tokens({"additional_special_tokens": list(IMAGE)})
    seen = (SIDE // PATCH // FOLD) ** 2
    Idefics3Processor(pixels(), tokenizer, image_seq_len=seen, chat_template=TEMPLATE).save_pretrained(folder)
    language = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
    language.resize_token_embeddings(len(tokenizer))
    small = AutoModelForImageTextToText.from_pretrained(eyes, dtype=torch.float32)
    config = Idefics3Config(
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=FOLD,
        tie_word_embeddings=True,
        vision_config=small.config.vision_config.to_dict(),
        text_config=language.config.to_dict(),
    )
    model = Idefics3ForConditionalGeneration(config)
    model.model.text_model.load_state_dict(language.model.state_dict())
    model.model.vision_model.load_state_dict(small.model.vision_model.state_dict())
    model.tie_weights()
    model.save_pretrained(folder)


def learn(base: Path, target: Path, recipe: Recipe, *, only: str = "") -> None:
    """Train a model, or its parts with `only` in their names, to describe drawings, and write it to `target`."""
    model = AutoModelForImageTextToText.from_pretrained(base, dtype=torch.float32)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(only in name)
    rows = [VisionRow(drawing.image, DESCRIBE, drawing.caption) for drawing in scenes("train", ROWS)]
    looks = transplant(base, HERE / f"{target.name}-draft")
    collator = partial(collate, bundle=load_bundle(looks), seeing=VisionProcessor(str(base), None))
    work = HERE / f"{target.name}-work"
    trainer, _ = fit(model, *held_out(rows), collator, recipe, work)
    shutil.copytree(base, target, ignore=shutil.ignore_patterns("model.safetensors", "config.json"), dirs_exist_ok=True)
    trainer.model.save_pretrained(target)
    shutil.rmtree(work)
    shutil.rmtree(looks)


def transplant(base: Path, folder: Path) -> Path:
    """Make a bundle of the shipped text experts on a model whose language tower has SmolLM2's layers."""
    shutil.rmtree(folder, ignore_errors=True)
    given = load_bundle()
    shutil.copytree(given.path, folder)
    (folder / "prompts" / "vision.txt").write_text("{question}\n")
    for role in given.adapters:
        weights, settings = folder / role / "adapter_model.safetensors", folder / role / "adapter_config.json"
        moved = {
            key.replace(".model.layers.", ".model.text_model.layers."): value
            for key, value in load_file(weights).items()
        }
        save_file(moved, weights, metadata={"format": "pt"})
        config = json.loads(settings.read_text())
        config["target_modules"] = language_targets(*config["target_modules"])
        settings.write_text(json.dumps(config))
    write_card(folder, given.card.model_copy(update={"base": BaseSpec(name=str(base.resolve()))}))
    return folder


def described(bundle: Path) -> dict[str, Any]:
    """Return the share of drawings that the model describes exactly."""
    tested: Sequence[Drawing] = scenes("test", DESCRIBED)
    with TransformersEngine(load_bundle(bundle)) as engine:
        said = engine.run([Request(None, DESCRIBE, 48, images=(drawing.image,)) for drawing in tested])
    right = sum(completion.text.strip() == drawing.caption for completion, drawing in zip(said, tested, strict=True))
    return wilson(right, len(tested)).as_dict()


def evaluated(what: str, bundle: Path) -> dict[str, Any]:
    """Return the scores of `memlora evaluate` on a bundle."""
    out = HERE / f"{what}-{bundle.name}"
    if not (out / "scores.json").exists():
        memlora("--experts", str(bundle), "evaluate", what, "--out", str(out), "--stores", str(out / "stores"))
    scores = json.loads((out / "scores.json").read_text())
    return scores["updates"] if what == "updates" else scores["setups"]["memlora"]


def differences() -> dict[str, dict[str, Any]]:
    """Compare the vision-language model with SmolLM2, case by case: mean difference and p-value."""
    found = {}
    for measure, names in (
        ("updates", ("whole-bundle", load_bundle().path.name)),
        ("updates, trained there", ("trained-on-whole", "trained-on-smollm2")),
    ):
        rows = [{row["id"]: row["decision"] == row["expected"] for row in decided(name)} for name in names]
        seeing, blind = ([side[key] for key in rows[0]] for side in rows)
        found[measure] = {"mean": (sum(seeing) - sum(blind)) / len(seeing), "p": mcnemar(seeing, blind)}
    runs = (read_answers(HERE / f"assistant-{name}") for name in ("whole-bundle", load_bundle().path.name))
    answers = [[answer for answer in run if answer.gold] for run in runs]
    found["answers"] = compare(*answers, DATASETS["assistant"].f1)["f1"]
    return found


def decided(name: str) -> list[dict[str, Any]]:
    """Return the cases of a run of `memlora evaluate updates`."""
    return [json.loads(line) for line in (HERE / f"updates-{name}" / "rows.jsonl").read_text().splitlines()]


def trained(base: Path | None) -> Path:
    """Return a bundle with an update expert trained for one pass over the shipped rows, on a base."""
    bundle = HERE / f"trained-on-{base.name if base else 'smollm2'}"
    if not (bundle / "memory_update").exists():
        where = ["--base", str(base)] if base else []
        memlora("train", "memory_update", "--bundle", str(bundle), *where)
    return bundle


def memlora(*arguments: str) -> None:
    """Run the command line in a process of its own."""
    subprocess.run([sys.executable, "-m", "langchain_memlora", *arguments], check=True)


if __name__ == "__main__":
    main()
