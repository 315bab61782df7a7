"""Tests of every engine against transformers in float32, with the real model and experts."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.servers import UnavailableError, llama_server

from langchain_memlora.bundles import load_bundle
from langchain_memlora.engines import Completion, Engine, Request
from langchain_memlora.engines.gguf_adapters import base_config, write_adapters
from langchain_memlora.models import resolve_base_model
from langchain_memlora.models.fetch import ensure_pinned
from langchain_memlora.models.pins import DEFAULT_BASE, PINS
from langchain_memlora.testing import engine_conformance as conformance
from langchain_memlora.testing.engine_conformance import EngineConformance, conformance_cases

pytestmark = pytest.mark.slow


@pytest.mark.model
class TestOpenVINO(EngineConformance):
    @pytest.fixture(scope="class")
    def engine(self) -> Iterator[Engine]:
        pytest.importorskip("openvino", reason="the extra `openvino` is not installed")
        from langchain_memlora.engines.openvino import OpenVINOEngine

        with OpenVINOEngine(load_bundle()) as engine:
            yield engine


@pytest.mark.model
class TestServer(EngineConformance):
    """Against llama.cpp with the output of `memlora export-adapters`, or the server at MEMLORA_SERVER."""

    task_metric = 0.9  # llama.cpp's base has four bits, and of 16 answers or 94 sentences two or three fall otherwise

    @pytest.fixture(scope="class")
    def engine(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
        from langchain_memlora.engines.server import ServerEngine

        if url := os.environ.get("MEMLORA_SERVER"):
            with ServerEngine(load_bundle(), url) as engine:
                yield engine
            return
        bundle, folder = load_bundle(), tmp_path_factory.mktemp("gguf")
        written = write_adapters(bundle.adapters, base_config(Path(resolve_base_model().source)), folder)
        try:
            with (
                llama_server(ensure_pinned(DEFAULT_BASE) / PINS[DEFAULT_BASE].file, [*written.values()]) as url,
                ServerEngine(bundle, url) as engine,
            ):
                yield engine
        except UnavailableError as error:
            pytest.skip(str(error))


class FlawedEngine(Engine):
    """Returns correct answers with one flaw."""

    def __init__(self, **flaw: Any) -> None:
        self.flaw = flaw
        self.gold = {case.request.prompt: case.gold for case in conformance_cases(load_bundle())}

    def compute(self, requests: Any) -> list[Completion]:
        if self.flaw.get("mixes"):
            requests = [*requests[1:], requests[0]]
        return [self.say(request) for request in requests]

    def say(self, request: Request) -> Completion:
        text = self.flaw.get(str(request.role), self.gold[request.prompt])
        chances = tuple(float(choice == text) for choice in request.choices)
        role = self.flaw.get("adapter", request.role)
        return Completion(text, chances, 5, 5, seconds=1.0, adapter=role and str(role))


@pytest.mark.parametrize(
    ("flaw", "test"),
    [
        ({"adapter": "generation"}, "usage_is_reported"),
        ({"memory_update": "ADD"}, "choices_are_those_of_transformers"),
        ({"extraction": "alone"}, "choices_are_those_of_transformers"),
        ({"extraction": "none"}, "the_task_is_done_as_well_as_by_transformers"),
        ({"mixes": True}, "sentences_of_a_message_do_not_see_each_other"),
        ({}, "a_switched_off_adapter_differs"),
    ],
)
def test_conformance_suite_finds_flaws(flaw: dict[str, Any], test: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with FlawedEngine() as right, FlawedEngine(**flaw) as wrong:
        monkeypatch.setattr(conformance, "_expected", lambda: conformance._answers(right))
        check = getattr(EngineConformance(), f"test_{test}")
        with pytest.raises(AssertionError):
            check(wrong)
        if flaw:
            check(right)
