"""Tests that loading a bundle finds missing, foreign and damaged parts without torch."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from langchain_memlora.bundles import DEFAULT_BUNDLE, Bundle, Role, load_bundle, shipped_bundles
from langchain_memlora.errors import BundleError, BundleMismatchError
from langchain_memlora.experts.prompts import render


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle without adapters."""
    shipped = load_bundle().path
    shutil.copytree(shipped / "prompts", tmp_path / "b" / "prompts")
    shutil.copy(shipped / "card.json", tmp_path / "b")
    return tmp_path / "b"


def edit_card(folder: Path, **values: object) -> None:
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, **values}))


def put_adapter(folder: Path, weights: bytes, role: str = "extraction") -> None:
    (folder / role).mkdir()
    (folder / role / "adapter_config.json").write_text("{}")
    (folder / role / "adapter_model.safetensors").write_bytes(weights)


def safetensors(data: bytes = b"\0" * 8) -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    return len(header).to_bytes(8, "little") + header + data


def test_default_bundle_loads_by_name() -> None:
    assert DEFAULT_BUNDLE in shipped_bundles()
    bundle = load_bundle()
    assert bundle.card.name == DEFAULT_BUNDLE
    assert set(bundle.prompts) == {"extraction", "memory_update", "generation"}


def test_bundle_loads_by_path(folder: Path) -> None:
    assert load_bundle(folder).adapters == {}
    put_adapter(folder, safetensors())
    assert load_bundle(str(folder)).adapters == {Role.EXTRACTION: folder / "extraction"}
    assert load_bundle(folder).without(Role.EXTRACTION).adapters == {}


def test_unknown_bundle_lists_shipped_ones() -> None:
    with pytest.raises(BundleError, match=f"'nobody'.*Pass a folder.*{DEFAULT_BUNDLE}.*CC BY-NC.*benchmarks/locomo"):
        load_bundle("nobody")


def test_the_locomo_bundle_is_not_shipped_but_loads_by_name_in_a_checkout() -> None:
    assert "smollm2-135m-locomo" not in shipped_bundles()
    assert load_bundle("smollm2-135m-locomo").card.licence == "CC-BY-NC-4.0"


@pytest.mark.parametrize("role", ["extraction", "memory_update", "generation"])
def test_missing_prompt_raises(folder: Path, role: str) -> None:
    (folder / "prompts" / f"{role}.txt").unlink()
    with pytest.raises(BundleError, match=f"no prompts/{role}.txt.*Copy"):
        load_bundle(folder)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_unsupported_format_raises(folder: Path, version: object) -> None:
    edit_card(folder, format=version)
    with pytest.raises(BundleMismatchError, match=r"format.*Train the bundle again"):
        load_bundle(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"format": 1}'])
def test_unreadable_card_raises(folder: Path, text: str) -> None:
    (folder / "card.json").write_text(text)
    with pytest.raises(BundleError, match=r"Restore it"):
        load_bundle(folder)


@pytest.mark.parametrize(
    "values",
    [{"extra": 1}, {"dialect": "prose"}, {"window": {"new_turns": 0}}, {"update": {"confidence": 2}}, {"base": {}}],
)
def test_invalid_card_values_raise(folder: Path, values: dict[str, object]) -> None:
    edit_card(folder, **values)
    with pytest.raises(BundleError, match=r"can't be read as a card"):
        load_bundle(folder)


@pytest.mark.parametrize(
    "weights", [b"", b"\x01", safetensors()[:-1], safetensors() + b"\0", b"\xff" * 100, b"<html>not found</html>",
                (2).to_bytes(8, "little") + b"{}", (2).to_bytes(8, "little") + b"[]", 
                (9).to_bytes(8, "little") + b'{"w":7   }'],
)  # fmt: skip
def test_damaged_adapter_raises(folder: Path, weights: bytes) -> None:
    put_adapter(folder, weights)
    with pytest.raises(BundleError, match=r"extraction adapter.*Restore it"):
        load_bundle(folder)


def test_adapter_without_weights_raises(folder: Path) -> None:
    put_adapter(folder, b"")
    (folder / "extraction" / "adapter_model.safetensors").unlink()
    with pytest.raises(BundleError, match=r"missing or corrupt"):
        load_bundle(folder)


def test_render_does_not_expand_slot_values(bundle: Bundle) -> None:
    text = render(bundle, Role.MEMORY_UPDATE, old="{new}", new="{0} {x!r}", more="unused")
    assert "Old: {new}" in text
    assert "New: {0} {x!r}" in text
    with pytest.raises(BundleError, match=r"uses \['new'\]"):
        render(bundle, Role.MEMORY_UPDATE, old="a")
