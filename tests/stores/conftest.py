"""A Chroma server for the whole run; a test that needs one which can't run here is skipped with the reason."""

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
