"""Tests that a memory survives each injected fault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.reliability.disk_faults import CannotBeInjectedError
from benchmarks.reliability.faults import FAULTS


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_memory_survives_fault(fault: Callable[[Path], list[str]], tmp_path: Path) -> None:
    try:
        assert fault(tmp_path) == []
    except CannotBeInjectedError as error:
        pytest.skip(str(error))
