"""A Chroma server for the whole run; its tests are skipped with the reason where it can't run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.servers import UnavailableError, chroma_server


@pytest.fixture(scope="session")
def chroma_port() -> Iterator[int]:
    try:
        with chroma_server() as port:
            yield port
    except UnavailableError as error:
        pytest.skip(f"no Chroma server here: {error}")
