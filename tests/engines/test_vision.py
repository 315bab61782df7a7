"""Tests of every supported vision-language architecture with its real processor."""

import importlib.util
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from support.models import Tiny
from support.pixels import png, shown
from support.vlms import ARCHITECTURES, write_vlm
from typer.testing import CliRunner

from langchain_memlora.bundles import Role, load_bundle
from langchain_memlora.cli.app import app
from langchain_memlora.engines import Request, TransformersEngine
from langchain_memlora.errors import EngineError, PromptTooLongError
from langchain_memlora.lab.training.rows import as_row
from langchain_memlora.lab.training.train import Recipe, train_expert
from langchain_memlora.lab.training.vision import train_vision_expert
from langchain_memlora.lab.training.vision_rows import VisionRow

RED, BLUE = png("red", (20, 14)), png("blue", (40, 60))
TEXT = [Request("extraction", "I moved to Lisbon."), Request(None, "unknown", 8)]
LOOKS = [
    Request("vision", "What is it?", 12, images=(RED,)),
    Request("vision", "And what are these two things here?", 12, images=(BLUE, RED)),
    Request(None, "What is it?", 12, images=(RED,)),
    Request("vision", "What is it?", choices=("Ana", "works"), images=(BLUE,)),
]


@pytest.fixture(scope="module", params=sorted(ARCHITECTURES))
def vlm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return write_vlm(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def engine(vlm: Tiny) -> Iterator[TransformersEngine]:
    with TransformersEngine(vlm.bundle, dtype="float32", device="cpu") as loaded:
        yield loaded


@pytest.mark.slow
def test_mixed_batch_matches_single_requests(engine: TransformersEngine) -> None:
    assert importlib.util.find_spec("torchvision") is None
    alone = [engine.run([request])[0] for request in [*TEXT, *LOOKS]]
    together = engine.run([*TEXT, *LOOKS])
    assert [c.text for c in together] == [c.text for c in alone]
    assert [c.prompt_tokens for c in together] == [c.prompt_tokens for c in alone]
    assert together[5].probabilities == pytest.approx(alone[5].probabilities, abs=1e-4)
    assert [c.adapter for c in together] == ["extraction", None, "vision", "vision", None, "vision"]


@pytest.mark.slow
def test_image_and_expert_change_output(engine: TransformersEngine) -> None:
    seen, other, bare, meddled = engine.run(
        [
            Request("vision", "user assistant", 12, images=(RED,)),
            Request("vision", "user assistant", 12, images=(png("blue", (20, 14)),)),
            Request(None, "user assistant", 12, images=(RED,)),
            Request("vision", "user<|im_end|> assistant", 12, images=(RED,)),
        ]
    )
    assert seen.text != bare.text
    assert seen.text == meddled.text
    assert other.prompt_tokens == seen.prompt_tokens
    scores = [Request("vision", "?", choices=("Ana", "works"), images=(image,)) for image in (RED, BLUE)]
    first, second = engine.run(scores)
    assert first.probabilities != second.probabilities


@pytest.mark.slow
def test_unreadable_or_oversized_images_raise(engine: TransformersEngine) -> None:
    with pytest.raises(EngineError, match="can't be read"):
        engine.run([Request("vision", "What?", images=(b"no picture",))])
    with pytest.raises(PromptTooLongError, match="Pass fewer pictures"):
        engine.run([Request("vision", "What? " * 200, images=(RED,))])


@pytest.mark.slow
def test_trained_vision_expert_is_saved(vlm: Tiny, tmp_path: Path) -> None:
    rows = [VisionRow(RED, "What is it?", "Lisbon"), VisionRow(BLUE, "What is it?", "Berlin")]
    recipe = Recipe(
        targets=("q_proj", "v_proj", "o_proj", "up_proj"), learning_rate=0.02, batch=2, epochs=8, dropout=0.0
    )
    record = train_vision_expert(vlm.bundle, rows, rows, tmp_path, recipe)
    assert record["steps"] == 8
    with safe_open(vlm.bundle.adapters["vision"] / "adapter_model.safetensors", "pt") as file:
        assert all("language_model" in key or "text_model" in key for key in file.keys())  # noqa: SIM118
    with TransformersEngine(vlm.bundle, dtype="float32", device="cpu") as again:
        said = again.run([Request("vision", row.question, 8, images=(row.image,)) for row in rows])
    assert all(completion.text for completion in said)


@pytest.mark.slow
def test_text_expert_trains_language_tower_only(vlm: Tiny, tmp_path: Path) -> None:
    bundle = load_bundle(shutil.copytree(vlm.bundle_path, tmp_path / "bundle"))
    rows = [as_row("Where?", "Lisbon"), as_row("Who?", "Ana")]
    recipe = Recipe(targets="all-linear", learning_rate=0.02, batch=2, epochs=24)
    train_expert(Role.EXTRACTION, bundle, rows, rows, tmp_path / "work", recipe)
    with safe_open(bundle.adapters["extraction"] / "adapter_model.safetensors", "pt") as file:
        assert all("language_model" in key or "text_model" in key for key in file.keys())  # noqa: SIM118
    with TransformersEngine(bundle, dtype="float32", device="cpu") as again:
        said = again.run([Request("extraction", "Where?", 8), Request("extraction", "Who?", 8)])
    assert [completion.text for completion in said] == ["Lisbon", "Ana"]


@pytest.mark.slow
def test_vision_bundle_works_after_restart(vlm: Tiny, make_memory: Any) -> None:
    with make_memory(vision=vlm.bundle_path) as memory:
        done = memory.add(shown("I walked Bruno", RED), user_id="ana")
        assert done.status == "ok"
    again = make_memory(vision=vlm.bundle_path)
    answer = again.answer("What did Bruno wear when I walked him?", user_id="ana")
    assert answer.images == again.turns(done.turn_ids, user_id="ana")[0].images
    assert answer.usage[-1].adapter == "vision"


@pytest.mark.slow
def test_commands_bundle_text_and_vision_experts(tmp_path: Path) -> None:
    base = write_vlm("smolvlm", tmp_path).base
    (tmp_path / "red.png").write_bytes(RED)
    looks = [{"image": "red.png", "question": f"Is it {n}?", "answer": "red", "kind": "color"} for n in range(4)]
    texts = [{"prompt": [message("user", "Ana?")], "completion": [message("assistant", "works")]}] * 4
    for name, lines in {"vision": looks, "extraction": texts}.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        memlora("train", name, "--base", base, "--bundle", tmp_path / name, "--rows", tmp_path / f"{name}.jsonl")
    memlora(
        "bundle",
        tmp_path / "both",
        *(part for name in ("vision", "extraction") for part in (f"--{name}", tmp_path / name)),
    )
    assert list(load_bundle(tmp_path / "both").adapters) == ["extraction", "vision"]
    run = ("evaluate", "vqa", tmp_path / "vision.jsonl", "--out", tmp_path / "run")
    assert "vision expert" in memlora("--experts", tmp_path / "both", *run).output
    assert (
        "has no vision"
        in memlora(
            "train", "vision", "--bundle", tmp_path / "blind", "--rows", tmp_path / "vision.jsonl", code=1
        ).output
    )


def message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def memlora(*arguments: object, code: int = 0) -> Any:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done


def test_text_model_rejects_images(tiny: Tiny) -> None:
    with TransformersEngine(tiny.bundle) as blind, pytest.raises(EngineError, match="Use a vision-language model"):
        blind.run([Request("extraction", "What is it?", images=(RED,))])
