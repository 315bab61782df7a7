"""Tests that users read nothing of each other's, and would without the guards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import true

from benchmarks.reliability import tenants
from benchmarks.reliability.tenants import SECRET, USERS
from langchain_memlora.errors import MissingUserError
from langchain_memlora.intake.messages import to_scope


@pytest.mark.parametrize("chroma", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_tenant_probes_leak_nothing(tmp_path: Path, chroma: bool) -> None:
    found = tenants.run(120, 2, tmp_path, chroma=chroma)
    assert found["broken"] == []
    assert found["leaked"] == 0
    assert found["outcomes"]["search: something"] >= 5  # people do find what is theirs


def test_disabled_scope_filter_leaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("langchain_memlora.ledger.ledger.readable_by", lambda scope: true())
    assert tenants.run(40, 2, tmp_path, chroma=False)["leaked"] > 0


@pytest.mark.parametrize("user_id", ["", " ", "*", "a\nb", "x" * 513])
def test_invalid_user_ids_raise(user_id: Any) -> None:
    with pytest.raises(ValueError, match="Pass"):
        to_scope(user_id)
    with pytest.raises(MissingUserError):
        to_scope(None)


def test_unusual_ids_are_distinct_users() -> None:
    assert len(set(USERS)) == len(USERS) > 30
    assert SECRET.findall("token1x") == ["token1x"]
