"""Tests of every store in docs/stores.md with the shipped conformance suite."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chromadb
import pytest
from langchain_chroma import Chroma
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_memlora.indexes import Index, VectorStoreIndex
from langchain_memlora.indexes.chroma import ChromaIndex
from langchain_memlora.testing.store_conformance import StoreConformance, check_store

SIZE = 32
EMBEDDINGS = DeterministicFakeEmbedding(size=SIZE)


class Kit(StoreConformance):
    many = int(os.environ.get("MEMLORA_STORE_SIZE", "200"))  # `make test-stores` asks for ten thousand


class TestEmbeddedChroma(Kit):
    @pytest.fixture
    def index(self, tmp_path: Path) -> Iterator[Index]:
        index = ChromaIndex(tmp_path / "chroma", EMBEDDINGS)
        yield index
        index.close()


class TestChromaServer(Kit):
    @pytest.fixture
    def index(self, chroma_port: int) -> Iterator[Index]:
        client = chromadb.HttpClient(host="127.0.0.1", port=chroma_port)
        space = {"hnsw": {"space": "cosine"}}
        yield VectorStoreIndex(
            Chroma(f"kit-{uuid.uuid4().hex}", EMBEDDINGS, client=client, collection_configuration=space)
        )
        client.close()
        for part in (client, client._admin_client):  # Chroma stops using their connections, but leaves them open
            part._server._session.close()


class TestInMemoryVectorStore(Kit):
    @pytest.fixture(scope="class")
    def index(self) -> Index:
        return VectorStoreIndex(InMemoryVectorStore(EMBEDDINGS))


class Unfiltered(InMemoryVectorStore):
    """A store whose filter syntax is unknown."""


class TestUnknownStore(Kit):
    many = 200

    @pytest.fixture(scope="class")
    def index(self) -> Index:
        return VectorStoreIndex(Unfiltered(EMBEDDINGS))


class TestEmbeddedQdrant(Kit):
    @pytest.fixture(scope="class")
    def index(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
        pytest.importorskip("langchain_qdrant", reason="the extra `stores` is not installed")
        from langchain_qdrant import QdrantVectorStore
        from qdrant_client import QdrantClient
        from qdrant_client.models import Distance, VectorParams

        client = QdrantClient(path=str(tmp_path_factory.mktemp("qdrant")))
        client.create_collection("kit", vectors_config=VectorParams(size=SIZE, distance=Distance.COSINE))
        yield VectorStoreIndex(QdrantVectorStore(client, "kit", EMBEDDINGS))
        client.close()


class TestPGVectorStore(Kit):
    @pytest.fixture(scope="class")
    def index(self, postgres_url: str) -> Iterator[Index]:
        from langchain_postgres import PGEngine, PGVectorStore

        engine = PGEngine.from_connection_string(postgres_url)
        engine.init_vectorstore_table("kit", SIZE)
        yield VectorStoreIndex(PGVectorStore.create_sync(engine, EMBEDDINGS, "kit"))
        engine._run_as_sync(engine.close())  # it has no other way to close from here


class TestPGVector(Kit):
    @pytest.fixture(scope="class")
    def index(self, postgres_url: str) -> Index:
        from langchain_postgres import PGVector

        return VectorStoreIndex(PGVector(EMBEDDINGS, connection=postgres_url, collection_name="kit"))


class Reversed(InMemoryVectorStore):
    """Returns distance as similarity."""

    def similarity_search(self, query: str, k: int = 4, **options: Any) -> list[Any]:
        return super().similarity_search(query, 1000, **options)[::-1][:k]


class FiltersLate(InMemoryVectorStore):
    """Filters by user after the search."""

    def similarity_search(self, query: str, k: int = 4, filter: Any = None, **options: Any) -> list[Any]:
        return [hit for hit in super().similarity_search(query, k, **options) if filter is None or filter(hit)]


class Appends(InMemoryVectorStore):
    """Keeps the previous text of an id."""

    def add_documents(self, documents: Any, ids: Any = None, **options: Any) -> list[str]:
        return super().add_documents(documents, [uuid.uuid4().hex for _ in documents], **options)


class NeverDeletes(InMemoryVectorStore):
    """Deletes nothing."""

    def delete(self, ids: Any = None, **options: Any) -> None:
        return None


class Ascii(InMemoryVectorStore):
    """Drops non-ASCII text."""

    def add_documents(self, documents: Any, ids: Any = None, **options: Any) -> list[str]:
        for document in documents:
            document.page_content = document.page_content.encode("ascii", "ignore").decode()
        return super().add_documents(documents, ids, **options)


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        (Reversed, "the same words are nearest"),
        (FiltersLate, "one is found among many of others"),
        (Appends, "writing again replaces"),
        (NeverDeletes, "what is removed is gone"),
        (Ascii, "unicode"),
    ],
)
def test_conformance_suite_finds_flaws(kind: type[InMemoryVectorStore], check: str) -> None:
    def same(fields: Any) -> dict[str, Any]:
        return {"filter": lambda document: all(document.metadata[key] == fields[key] for key in fields)}

    report = check_store(VectorStoreIndex(kind(EMBEDDINGS), make_filter=same), many=50)
    failed = {finding.check: finding.problem for finding in report.findings if finding.problem}
    assert check in failed
    assert not report.ok
    assert f"failed {check}" in str(report)
    assert str(report).startswith(f"{kind.__name__}: {12 - len(failed)} of 12 checks passed")


def test_check_leaves_store_unchanged() -> None:
    store = InMemoryVectorStore(EMBEDDINGS)
    store.add_texts(["somebody's own"])
    report = check_store(store, many=50)
    assert report.ok, str(report)
    assert [row["text"] for row in store.store.values()] == ["somebody's own"]


def test_unreachable_store_is_reported() -> None:
    class Down(InMemoryVectorStore):
        def add_documents(self, documents: Any, **options: Any) -> list[str]:
            raise ConnectionError("connection refused")

    report = check_store(Down(EMBEDDINGS), many=50)
    assert {finding.problem for finding in report.findings} == {"ConnectionError: connection refused"}


def test_chroma_index_can_be_checked(tmp_path: Path) -> None:
    index = ChromaIndex(tmp_path, EMBEDDINGS)
    report = check_store(index, many=50)
    assert report.ok, str(report)
    assert report.store == "Chroma"
    index.close()
