"""Tests of the parts of `make measure WHAT=vision`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

pytest.importorskip("easy_vqa", reason="the extra `vision` is not installed")
from benchmarks.vision.captions import WORDS
from benchmarks.vision.drawings import SHAPES, scenes
from benchmarks.vision.muon import MuonWithAdamW


def test_optimizer_state_resumes_exactly() -> None:
    straight, stopped = Small(), Small()
    optimizer = MuonWithAdamW(straight, 0.01)
    for step in range(4):
        move(straight, optimizer, step)
    first = MuonWithAdamW(stopped, 0.01)
    for step in range(2):
        move(stopped, first, step)
    again = MuonWithAdamW(stopped, 0.01)
    again.load_state_dict(first.state_dict())
    for step in range(2, 4):
        move(stopped, again, step)
    for one, other in zip(straight.parameters(), stopped.parameters(), strict=True):
        assert torch.equal(one, other)


def test_schedule_reaches_both_optimizers_after_loading() -> None:
    model = Small()
    optimizer = MuonWithAdamW(model, 0.01)
    optimizer.load_state_dict(optimizer.state_dict())
    for group in optimizer.param_groups:
        group["lr"] = 0.0
        group["weight_decay"] = 0.0
    before = [parameter.clone() for parameter in model.parameters()]
    move(model, optimizer, 0)
    assert all(torch.equal(one, other) for one, other in zip(before, model.parameters(), strict=True))


def test_scene_answers_match_drawing() -> None:
    checked = 0
    for drawing in scenes("test", 50):
        for kind, question, answer in drawing.questions:
            if kind == "count" and (form := next((form for form in SHAPES if form in question), "")):
                assert drawing.forms.count(form) == int(answer) < len(WORDS)
                checked += 1
    assert checked > 20


@pytest.mark.slow
def test_small_run_is_recorded_and_reused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.vision", "--scale", "0.001"]
    command += ["--out", str(tmp_path / "run"), "--record", str(tmp_path / "record.json")]
    subprocess.run(command, check=True, capture_output=True)
    trained = (tmp_path / "run" / "base" / "model.safetensors").stat().st_mtime
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["scores"].keys() >= {"vision expert", "base without the expert", "caption of shapes only"}
    assert all(found["all"]["n"] == 20 for found in record["scores"].values())
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / "run" / "base" / "model.safetensors").stat().st_mtime == trained
    assert json.loads((tmp_path / "record.json").read_text())["scores"] == record["scores"]


class Small(nn.Module):
    """A linear layer and a layer norm."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.ModuleDict({"layers": nn.ModuleList([nn.Linear(4, 4)])})
        self.norm = nn.LayerNorm(4)


def move(model: Small, optimizer: MuonWithAdamW, seed: int) -> None:
    torch.manual_seed(seed)
    optimizer.zero_grad()
    given = torch.randn(8, 4)
    model.norm(model.body["layers"][0](given)).pow(3).sum().backward()
    optimizer.step()
