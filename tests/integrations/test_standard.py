"""Tests of tools and retrievers with LangChain's standard suites, on the scripted and the real engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import BaseTool
from langchain_tests.integration_tests import RetrieversIntegrationTests, ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests

from langchain_memlora import MemLoRAMemory, MemLoRARetriever

FACTS = ["I play the cello.", "My cello teacher is called Rosa.", "The cello lesson is on Friday.", "I like tea."]


@pytest.fixture(scope="module")
def real_memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemLoRAMemory]:
    """The shipped experts on the real model, the real embedder and Chroma."""
    with MemLoRAMemory(path=tmp_path_factory.mktemp("memory")) as opened:
        for fact in FACTS:
            opened.add(fact, user_id="ana")
        yield opened


class OnDouble:
    """Runs a suite on a memory with scripted experts."""

    @pytest.fixture(autouse=True)
    def _memory(self, memory: MemLoRAMemory) -> None:
        self.memory = memory
        for fact in FACTS:
            memory.add(fact, user_id="ana")


@pytest.mark.slow
@pytest.mark.model
class OnModel:
    """Runs a suite on the real model."""

    @pytest.fixture(autouse=True)
    def _memory(self, real_memory: MemLoRAMemory) -> None:
        self.memory = real_memory


class Retrieving(RetrieversIntegrationTests):
    memory: MemLoRAMemory

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return MemLoRARetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"memory": self.memory, "user_id": "ana"}

    @property
    def retriever_query_example(self) -> str:
        return "cello"


class Tool:
    """One of the four tools; there is always a memory to change."""

    memory: MemLoRAMemory
    name = "search_memory"

    @property
    def tool_constructor(self) -> BaseTool:
        return {tool.name: tool for tool in self.memory.as_tools(user_id="ana")}[self.name]

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        key = self.memory.add("I play the tuba.", user_id="ana", infer=False).operations[0].memory_id
        return {
            "search_memory": {"query": "cello"},
            "save_memory": {"fact": "User has a dog."},
            "update_memory": {"memory_id": key, "text": "User plays the viola."},
            "forget_memory": {"memory_id": key},
        }[self.name]


class Save(Tool):
    name = "save_memory"


class Update(Tool):
    name = "update_memory"


class Forget(Tool):
    name = "forget_memory"


class TestRetriever(OnDouble, Retrieving): ...


class TestRetrieverOnModel(OnModel, Retrieving): ...


class TestSearchUnit(OnDouble, Tool, ToolsUnitTests): ...


class TestSaveUnit(OnDouble, Save, ToolsUnitTests): ...


class TestUpdateUnit(OnDouble, Update, ToolsUnitTests): ...


class TestForgetUnit(OnDouble, Forget, ToolsUnitTests): ...


class TestSearch(OnDouble, Tool, ToolsIntegrationTests): ...


class TestSave(OnDouble, Save, ToolsIntegrationTests): ...


class TestUpdate(OnDouble, Update, ToolsIntegrationTests): ...


class TestForget(OnDouble, Forget, ToolsIntegrationTests): ...


class TestSearchOnModel(OnModel, Tool, ToolsIntegrationTests): ...


class TestSaveOnModel(OnModel, Save, ToolsIntegrationTests): ...


class TestUpdateOnModel(OnModel, Update, ToolsIntegrationTests): ...


class TestForgetOnModel(OnModel, Forget, ToolsIntegrationTests): ...
