"""Tests of `memlora train --all` on tiny models of four families."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from click.testing import Result
from support import BagOfWords
from support.models import SENTENCES, write_tokenizer
from tokenizers import Tokenizer, models
from typer.testing import CliRunner

from langchain_memlora import MemLoRAMemory
from langchain_memlora.bundles import TEXT_ROLES, load_bundle
from langchain_memlora.cli.app import app
from langchain_memlora.lab.training import reading

FAMILIES = {
    "llama": transformers.LlamaConfig,
    "qwen2": transformers.Qwen2Config,
    "gemma2": transformers.Gemma2Config,
    "gemma3": transformers.Gemma3TextConfig,
}
TURNS = [
    ("I live in Berlin.", {"id": "f1", "fact": "lives in Berlin"}),
    ("I love the sea.", {"id": "f2", "fact": "loves the sea"}),
    ("Ana works as a nurse.", {"id": "f3", "fact": "works with Ana, a nurse"}),
    ("I moved to Lisbon.", {"id": "f4", "fact": "moved to Lisbon", "updates": "f1"}),
]
SMALL = ["--epochs", "2", "--batch", "2", "--tokens", "900", "--rank", "2", "--context", "60"]
QUICK = [*SMALL, "--epochs", "0.5", "--batch", "8"]


@pytest.fixture(scope="module", autouse=True)
def _one_torch_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _word_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "default_embeddings", BagOfWords)


@pytest.fixture
def data(tmp_path: Path) -> list[str]:
    """Options that name a few rows."""
    messages = [
        {
            "id": f"m-{number}",
            "message": f"I live in Berlin {number}. So what?",
            "sentences": [
                {"text": f"I live in Berlin {number}.", "facts": [f"User lives in Berlin {number}"]},
                {"text": "So what?", "facts": []},
            ],
        }
        for number in range(13)
    ]
    turns = [{"by": "user", "say": say, "facts": [fact]} for say, fact in TURNS]
    stories = [
        {
            "id": f"s-{number}",
            "sessions": [{"date": "2024-03-04 18:20", "turns": turns}],
            "questions": [{"q": "Where do I live?", "a": "Lisbon", "from": ["f4"]}],
        }
        for number in range(3)
    ]
    files = {"--messages": messages, "--stories": stories}
    for option, rows in files.items():
        (tmp_path / f"{option[2:]}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return [part for option in files for part in (option, str(tmp_path / f"{option[2:]}.jsonl"))]


def write_base(path: Path, family: str = "llama") -> Path:
    tokenizer = write_tokenizer(path, SENTENCES * 4)
    torch.manual_seed(0)
    config = FAMILIES[family](
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=1024,
        bos_token_id=0,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(path)
    return path


def train(base: Path, target: Path, *options: str, before: tuple[str, ...] = ()) -> Result:
    command = [*before, "train", "--all", "--base", str(base), "--bundle", str(target), *options]
    return CliRunner().invoke(app, command)


@pytest.mark.parametrize(
    "family", ["llama", "gemma3", *(pytest.param(name, marks=pytest.mark.slow) for name in ("qwen2", "gemma2"))]
)
def test_all_roles_on_any_base(family: str, data: list[str], tmp_path: Path) -> None:
    done = train(write_base(tmp_path / "base", family), tmp_path / "mine", *data, *QUICK)
    assert done.exit_code == 0, done.output
    bundle = load_bundle(tmp_path / "mine")
    assert set(bundle.adapters) == set(TEXT_ROLES)
    assert bundle.card.training.keys() == set(TEXT_ROLES)
    assert bundle.card.base.name == str(tmp_path / "base")
    for number, role in enumerate(TEXT_ROLES, 1):
        assert f"{number}/3 {role}" in done.output
        assert bundle.card.training[role]["recipe"]["rank"] == 2
    with MemLoRAMemory(
        path=tmp_path / "memory", experts=bundle, engine="transformers", embeddings=BagOfWords()
    ) as memory:
        added = memory.add("I live in Berlin.", user_id="ana")
        assert (added.status, len(added.turn_ids)) == ("ok", 1)
        assert isinstance(memory.answer("Where do I live?", user_id="ana").text, str)


@pytest.mark.slow
def test_stopped_run_skips_what_is_done(data: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, target = write_base(tmp_path / "base"), tmp_path / "mine"
    real = transformers.Trainer.training_step

    def stops(self: Any, *args: Any, **options: Any) -> Any:
        if "memory_update" in self.args.output_dir and self.state.global_step == 2:
            raise KeyboardInterrupt
        return real(self, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(transformers.Trainer, "training_step", stops)
        assert train(base, target, *data, *SMALL).exit_code
    assert load_bundle(target).card.training.keys() == {"extraction"}
    record = load_bundle(target).card.training["extraction"]
    done = train(base, target, *data, *SMALL)
    assert done.exit_code == 0, done.output
    assert f"1/3 extraction: {target} has it already" in done.output
    training = load_bundle(target).card.training
    assert training["extraction"] == record
    assert training["memory_update"]["resumed_at_step"] > 0
    assert training["generation"]["resumed_at_step"] == 0


def same_tokens(path: Path) -> None:
    """Give a base a tokenizer that knows no word."""
    raw = Tokenizer(models.WordLevel({"<unk>": 0, "<end>": 1}, unk_token="<unk>"))
    transformers.PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<end>").save_pretrained(path)


def no_end(path: Path) -> None:
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (file := path / name).exists():
            file.write_text(json.dumps({k: v for k, v in json.loads(file.read_text()).items() if k != "eos_token"}))


def encoder(path: Path) -> None:
    (path / "config.json").write_text(json.dumps({"model_type": "bert", "architectures": ["BertForMaskedLM"]}))


def no_config(path: Path) -> None:
    (path / "config.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (same_tokens, "'none' and 'forget' begin with the same token"),
        (no_end, "no end token"),
        (encoder, "of the type bert, no causal language model"),
        (no_config, "can't be read"),
    ],
)
def test_unsuitable_base_is_refused_first(spoil: Any, named: str, data: list[str], tmp_path: Path) -> None:
    base = write_base(tmp_path / "base")
    spoil(base)
    done = train(base, tmp_path / "mine", *data)
    assert done.exit_code
    assert named in f"{done.output} {done.exception}"
    assert not (tmp_path / "mine").exists()


def test_base_without_chat_template(data: list[str], tmp_path: Path) -> None:
    """The template of `--experts` is used; without one there, too, nothing is trained."""
    bare = tmp_path / "bare"
    shipped = load_bundle()
    (bare / "prompts").mkdir(parents=True)
    for role in TEXT_ROLES:
        (bare / "prompts" / f"{role}.txt").write_text(shipped.prompts[role])
    (bare / "card.json").write_text(json.dumps(shipped.card.model_dump(mode="json")))
    base = write_base(tmp_path / "base")
    done = train(base, tmp_path / "mine", *data, before=("--experts", str(bare)))
    assert done.exit_code
    assert "has a chat template" in f"{done.output} {done.exception}"
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["extraction", "--all"], "either a role"),
        ([], "either a role"),
        (["--all", "--more"], "can't be combined with --more"),
    ],
)
def test_all_excludes_role_options(options: list[str], named: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["train", "--bundle", str(tmp_path / "mine"), *options])
    assert done.exit_code
    assert named in f"{done.output} {done.exception}"
