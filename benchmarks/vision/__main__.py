"""Warms a small vision-language model up on captions, trains its vision expert on questions, and measures both.

    python -m benchmarks.vision                  # or: make measure WHAT=vision
    python -m benchmarks.vision --scale 0.01     # a quick run

Each stage continues where it stopped; `--fresh` starts over. Writes base and bundle into runs/vision and the figures into
docs/recorded/vision.json, for docs/vision.md.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.record import read_figures, write_figures
from benchmarks.vision.baselines import Asked, Guesser, asked
from benchmarks.vision.captions import caption
from benchmarks.vision.drawings import Drawing, easy_vqa, scenes
from benchmarks.vision.muon import MuonWithAdamW
from benchmarks.vision.runs import MACHINE, OUT, RECORD, held_out
from benchmarks.vision.small_vlm import make
from langchain_memlora.bundles import Bundle, Role, load_bundle
from langchain_memlora.bundles.bundle import BaseSpec, Card
from langchain_memlora.engines import Request, TransformersEngine
from langchain_memlora.experts.vision import DESCRIBE
from langchain_memlora.lab.evaluation.metrics.vqa import same_answer
from langchain_memlora.lab.evaluation.statistics import bootstrap
from langchain_memlora.lab.training.train import Recipe, fit
from langchain_memlora.lab.training.vision import collate, train_vision_expert
from langchain_memlora.lab.training.vision_rows import VisionRow

CAPTIONS, QUESTIONS = 200_000, 80_000
TESTED = 400  # questions of each kind
WARM_UP = Recipe(targets=(), learning_rate=2e-3, batch=32, evaluations=4, bf16=False)
EXPERT = Recipe(
    targets=("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
    rank=32,
    alpha=64,
    learning_rate=2e-3,
    batch=32,
    evaluations=4,
    bf16=False,
)
OPTIMIZER = partial(MuonWithAdamW, learning_rate=2e-3)


def main() -> None:
    """Train what is not trained yet, measure, and keep the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the rows to train and test on")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--record", type=Path, default=RECORD)
    parser.add_argument("--fresh", action="store_true", help="discard earlier training")
    options = parser.parse_args()
    if options.fresh:
        shutil.rmtree(options.out, ignore_errors=True)
    many = int(20_000 * options.scale) + 100
    single, several = easy_vqa("train"), scenes("train", many)
    training, testing = single + several, easy_vqa("test") + scenes("test", 600)
    warmed = warm_up(options.out, single, several, int(CAPTIONS * options.scale))
    bundle, trained = train(options.out, training, int(QUESTIONS * options.scale))
    test = drawn(asked(testing), max(4, int(TESTED * options.scale)))
    answers = {"vision expert": ask(bundle, test), "base without the expert": ask(bundle.without(Role.VISION), test)}
    known = asked(training)
    for name, views in {
        "caption of shapes only": ("caption of shapes", "question", "kind"),
        "question only": ("question", "kind"),
        "majority of the kind": ("kind",),
    }.items():
        guesser = Guesser(known, *views)
        answers[name] = [guesser.answer(one) for one in test]
    record = {
        "scores": {name: scores(test, said) for name, said in answers.items()},
        "warm_up": warmed,
        "expert": trained,
        "machine": MACHINE,
    }
    write_figures(options.record, read_figures(options.record) | record)  # the figures of `costs` stay
    print(json.dumps(record["scores"], indent=1))


def warm_up(out: Path, single: Sequence[Drawing], several: Sequence[Drawing], count: int) -> dict[str, Any]:
    """Train the whole model on captions of single shapes and of scenes; done once."""
    base, done = out / "base", out / "warm-up.json"
    if done.exists():
        return json.loads(done.read_text())
    import torch
    from transformers import AutoModelForImageTextToText

    from langchain_memlora.engines.vision_models import VisionProcessor

    rng = random.Random(0)
    shown = (rng.choice(rng.choice((single, several, several, several))) for _ in range(count))
    rows = [VisionRow(drawing.image, *caption(drawing, rng)) for drawing in shown]
    if not (base / "config.json").exists():
        questions = [text for *_, question, answer in asked([*single, *several]) for text in (question, answer)]
        make(base, [*(text for row in rows for text in (row.question, row.answer)), *questions])
    bundle = begin(out / "bundle", base)
    model = AutoModelForImageTextToText.from_pretrained(base, dtype=torch.float32)
    collator = partial(collate, bundle=bundle, seeing=VisionProcessor(str(base), None))
    trainer, record = fit(model, *held_out(rows), collator, WARM_UP, out / "warm-up", OPTIMIZER)
    trainer.model.save_pretrained(base)
    record["parameters"] = sum(parameter.numel() for parameter in model.parameters())
    done.write_text(json.dumps(record))
    shutil.rmtree(out / "warm-up")
    return record


def begin(folder: Path, base: Path) -> Bundle:
    """Create a bundle with vision only."""
    card = Card(
        name="drawings", base=BaseSpec(name=str(base.resolve())), licence="Apache-2.0", data=["easy-vqa (MIT)", "drawn"]
    )
    (folder / "prompts").mkdir(parents=True, exist_ok=True)
    (folder / "prompts" / f"{Role.VISION}.txt").write_text("{question}\n")
    (folder / "card.json").write_text(card.model_dump_json(indent=1) + "\n")
    return load_bundle(folder)


def train(out: Path, training: Sequence[Drawing], count: int) -> tuple[Bundle, dict[str, Any]]:
    """Train the expert on questions of all kinds, and on some captions so that it does not forget them; done once."""
    done = out / "expert.json"
    if not done.exists():
        rng = random.Random(1)
        kinds: dict[str, list[Asked]] = {}
        for one in asked(training):
            kinds.setdefault(one[1], []).append(one)
        rows = [
            VisionRow(d.image, q, a)
            for d, _, q, a in (rng.choice(kinds[rng.choice(list(kinds))]) for _ in range(count))
        ]
        rows += [VisionRow(d.image, DESCRIBE, d.caption) for d in rng.choices(training, k=count // 20)]
        rng.shuffle(rows)
        record = train_vision_expert(load_bundle(out / "bundle"), *held_out(rows), out / "expert", EXPERT, OPTIMIZER)
        done.write_text(json.dumps(record))
        shutil.rmtree(out / "expert")
    return load_bundle(out / "bundle"), json.loads(done.read_text())


def drawn(questions: Sequence[Asked], each: int) -> list[Asked]:
    """Sample up to `each` questions of each kind."""
    rng = random.Random(2)
    kinds: dict[str, list[Asked]] = {}
    for one in questions:
        kinds.setdefault(one[1], []).append(one)
    return [one for kind in sorted(kinds) for one in rng.sample(kinds[kind], min(each, len(kinds[kind])))]


def ask(bundle: Bundle, test: Sequence[Asked]) -> list[str]:
    """Ask through the package's own engine."""
    role = Role.VISION if Role.VISION in bundle.adapters else None
    with TransformersEngine(bundle, dtype="float32") as engine:
        requests = [Request(role, question, 12, images=(drawing.image,)) for drawing, _, question, _ in test]
        return [completion.text for completion in engine.run(requests)]


def scores(test: Sequence[Asked], said: Sequence[str]) -> dict[str, Any]:
    """Return accuracy by kind and over all questions, with intervals."""
    right: dict[str, list[float]] = {"all": []}
    for (_, kind, _, answer), text in zip(test, said, strict=True):
        for key in (kind, "all"):
            right.setdefault(key, []).append(float(same_answer(text, answer)))
    return {kind: asdict(estimate) for kind, values in right.items() if (estimate := bootstrap(values))}


if __name__ == "__main__":
    main()
