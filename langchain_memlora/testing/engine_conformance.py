"""A test suite for engines: the same results as transformers in float32, on requests from held-out messages and stories."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

from langchain_memlora.bundles import TEXT_ROLES, Bundle, Role, load_bundle
from langchain_memlora.engines.base import Completion, Engine, Request
from langchain_memlora.engines.chat import ChatRequest
from langchain_memlora.experts.prompts import render
from langchain_memlora.experts.sentence_prompt import LABELS
from langchain_memlora.testing.token_f1 import token_f1

EQUAL_CHOICES = 0.95
TASK_METRIC = 0.98
CLOSE = 0.05
LONGEST = 4
CHOICES = {Role.EXTRACTION: LABELS, Role.MEMORY_UPDATE: ("ADD", "NONE", "UPDATE", "DELETE")}


@dataclass(frozen=True, slots=True)
class ConformanceCase:
    """A request with the right answer.

    Attributes:
        source: The message or story it is from.
    """

    request: Request
    gold: str
    source: str


def conformance_cases(
    bundle: Bundle, *, messages: int = 40, pairs: int = 60, questions: int = 16
) -> list[ConformanceCase]:
    """Return requests of all three text experts from data held out of training, the same ones every time.

    Args:
        bundle: Makes the prompts. One of another dialect than `spans` gets no requests of the extraction expert.
        messages: Up to this many messages, about whose sentences the extraction expert is asked one by one; there are 60.
        pairs: Up to this many requests of the memory_update expert; there are 160.
        questions: Up to this many of the generation expert; there are 48.
    """
    # `python -m langchain_memlora.lab.training.conformance_rows` writes the file, so that this package needs no training data.
    file = resources.files("langchain_memlora.testing") / "data" / "heldout.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    by_role = {role: [row for row in rows if row["role"] == role] for role in TEXT_ROLES}
    asked = set(list(dict.fromkeys(row["source"] for row in by_role[Role.EXTRACTION]))[:messages])
    sentences = [row for row in by_role[Role.EXTRACTION] if row["source"] in asked]
    kept = {
        Role.EXTRACTION: sentences if bundle.card.dialect == "spans" else [],
        Role.MEMORY_UPDATE: by_role[Role.MEMORY_UPDATE][:pairs],
        Role.GENERATION: by_role[Role.GENERATION][:questions],
    }
    return [_case(bundle, role, row) for role, chosen in kept.items() for row in chosen]


def _case(bundle: Bundle, role: Role, row: dict[str, Any]) -> ConformanceCase:
    prompt = render(bundle, role, **row["slots"])
    request = Request(role, prompt, bundle.card.max_tokens[role], CHOICES.get(role, ()))
    return ConformanceCase(request, row["gold"], row["source"])


class EngineConformance:
    """A base class for a pytest class with a fixture `engine`, which has the shipped experts loaded.

    The results of transformers in float32 are computed once a process; that needs the base model and takes a minute.

    Example:
        ```python
        import pytest
        from langchain_memlora.engines.openvino import OpenVINOEngine
        from langchain_memlora.bundles import load_bundle
        from langchain_memlora.testing.engine_conformance import EngineConformance

        class TestOpenVINO(EngineConformance):
            @pytest.fixture(scope="class")
            def engine(self):
                with OpenVINOEngine(load_bundle()) as engine:
                    yield engine
        ```
    """

    task_metric = TASK_METRIC
    """Share of transformers' score that an engine must reach; lower for a base in fewer bits."""

    def test_usage_is_reported(self, engine: Engine) -> None:
        """Tokens, time and adapter are reported, prompt tokens are those of transformers, probabilities sum to 1."""
        for case, completion, expected in zip(_cases(), _answers(engine), _expected(), strict=True):
            assert completion.prompt_tokens == expected.prompt_tokens
            assert 1 <= completion.completion_tokens <= case.request.max_tokens
            assert completion.adapter == str(case.request.role)
            assert completion.seconds > 0
            if probabilities := completion.probabilities:
                assert abs(sum(probabilities) - 1) < 1e-6
                assert completion.text == case.request.choices[probabilities.index(max(probabilities))]

    def test_choices_are_those_of_transformers(self, engine: Engine) -> None:
        """At least 95 % of each expert's choices are equal: labels of sentences, decisions on pairs."""
        for role in CHOICES:
            pairs = [
                (found.text, expected.text)
                for case, found, expected in zip(_cases(), _answers(engine), _expected(), strict=True)
                if case.request.role is role
            ]
            equal = sum(found == expected for found, expected in pairs)
            assert equal >= EQUAL_CHOICES * len(pairs), f"{equal} of {len(pairs)} choices of {role} are equal"

    def test_sentences_of_a_message_do_not_see_each_other(self, engine: Engine) -> None:
        """Asked about together, as `add` does, the sentences of a message get the probabilities they get one by one."""
        by_message: dict[str, list[Request]] = {}
        for case in _cases():
            if case.request.role is Role.EXTRACTION:
                by_message.setdefault(case.source, []).append(case.request)
        longest = sorted(by_message.values(), key=len)[-LONGEST:]
        together = engine.run([request for requests in longest for request in requests])
        alone = [engine.run([request])[0] for requests in longest for request in requests]
        for one, other in zip(together, alone, strict=True):
            assert one.prompt_tokens == other.prompt_tokens
            apart = max(abs(p - q) for p, q in zip(one.probabilities, other.probabilities, strict=True))
            assert apart <= CLOSE, f"probabilities are {apart:.3f} apart"

    def test_the_task_is_done_as_well_as_by_transformers(self, engine: Engine) -> None:
        """At least `task_metric` of its score: share of right choices, token F1 of answers."""
        found, expected = _scores(_answers(engine)), _scores(_expected())
        for role, score in expected.items():
            assert found[role] >= self.task_metric * score, f"{role}: {found[role]:.3f}, transformers {score:.3f}"

    def test_adapters_are_never_mixed(self, engine: Engine) -> None:
        """Requests of all roles and of none, interleaved and from several threads, get the results they get by role."""
        roles = (*dict.fromkeys(case.request.role for case in _cases()), None)
        short = [replace(case.request, max_tokens=8) for case in _cases()[::8]]
        groups = [[replace(request, role=role) for request in short] for role in roles]
        alone = [_essence(engine.run(group)) for group in groups]
        mixed = _essence(engine.run([request for requests in zip(*groups, strict=True) for request in requests]))
        assert [mixed[place :: len(roles)] for place in range(len(roles))] == alone
        with ThreadPoolExecutor(len(groups)) as pool:
            assert [_essence(found) for found in pool.map(engine.run, groups)] == alone

    def test_a_switched_off_adapter_differs(self, engine: Engine) -> None:
        """Without an adapter the base model answers, and differently."""
        for role in dict.fromkeys(case.request.role for case in _cases()):
            asked = [replace(case.request, max_tokens=8) for case in _cases() if case.request.role == role][:4]
            on, off = engine.run(asked), engine.run([replace(request, role=None) for request in asked])
            assert {c.adapter for c in off} == {None}
            assert [(c.text, c.probabilities) for c in on] != [(c.text, c.probabilities) for c in off]

    def test_a_chat_says_what_a_request_gets(self, engine: Engine) -> None:
        """An engine that chats streams the same text."""
        if type(engine).write is Engine.write:
            return
        request = next(case.request for case in _cases() if case.request.role is Role.GENERATION)
        chunks: list[str] = []

        def collect(chunk: str) -> bool:
            chunks.append(chunk)
            return True

        chat = ChatRequest(request.role, (("user", request.prompt),), request.max_tokens)
        completion = engine.submit_chat(chat, collect).result()
        assert "".join(chunks) == completion.text == engine.run([request])[0].text
        assert completion.finished


@functools.cache
def _cases() -> tuple[ConformanceCase, ...]:
    return tuple(conformance_cases(load_bundle()))


@functools.cache
def _answers(engine: Engine) -> tuple[Completion, ...]:
    return tuple(engine.run([case.request for case in _cases()]))


@functools.cache
def _expected() -> tuple[Completion, ...]:
    from langchain_memlora.engines.transformers import TransformersEngine

    with TransformersEngine(load_bundle(), dtype="float32", device="cpu") as engine:
        return _answers(engine)


def _essence(completions: Sequence[Completion]) -> list[tuple[str, int, int, str | None]]:
    """Return the part that must not depend on the batch; probabilities may, in their last digits."""
    return [(c.text, c.prompt_tokens, c.completion_tokens, c.adapter) for c in completions]


def _scores(completions: Sequence[Completion]) -> dict[str, float]:
    """Return the mean score of each role, from 0 to 1."""
    by_role: dict[str, list[float]] = {}
    for case, completion in zip(_cases(), completions, strict=True):
        if case.request.choices:
            score = float(completion.text == case.gold)
        else:
            score = token_f1(completion.text.lower().split(), case.gold.lower().split())
        by_role.setdefault(str(case.request.role), []).append(score)
    return {role: sum(scores) / len(scores) for role, scores in by_role.items()}
