"""Fixtures around the tiny Llama of `support.models`."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from support.models import LIMIT, ROLES, SENTENCES, Tiny, write_base, write_bundle, write_tokenizer

from langchain_memlora.engines.transformers import TransformersEngine

__all__ = ["LIMIT", "ROLES", "SENTENCES", "Tiny", "write_base", "write_bundle", "write_tokenizer"]


@pytest.fixture(scope="session", autouse=True)
def _one_torch_thread() -> Iterator[None]:
    """Use one thread, the fastest for models this small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    root = tmp_path_factory.mktemp("tiny")
    write_bundle(root / "bundle", root / "base", write_base(root / "base"))
    return Tiny(root / "base", root / "bundle")


@pytest.fixture
def make_base(tmp_path: Path) -> Callable[..., Path]:
    """Write another base model and return its folder."""

    def make(**options: int) -> Path:
        write_base(tmp_path / "other", **options)
        return tmp_path / "other"

    return make


@pytest.fixture
def copied(tiny: Tiny, tmp_path: Path) -> Path:
    """Return a copy of the bundle's folder that a test may damage."""
    return Path(shutil.copytree(tiny.bundle_path, tmp_path / "copied"))


@pytest.fixture(scope="session")
def engine(tiny: Tiny) -> Iterator[TransformersEngine]:
    """Return one float32 engine for all tests that only query it."""
    with TransformersEngine(tiny.bundle, dtype="float32", device="cpu", batch=4) as engine:
        yield engine
