"""What every engine must do, as tests to inherit: the same work as transformers in float32 does, on the shipped stories."""

from __future__ import annotations

import functools
import random
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from langchain_core.embeddings import DeterministicFakeEmbedding

from langchain_memlora.bundles import Bundle, Role, load_bundle
from langchain_memlora.engines.base import Completion, Engine, Request
from langchain_memlora.engines.chat import ChatRequest

EQUAL_CHOICES = 0.95
TASK_METRIC = 0.98
LABELS = ("ADD", "NONE", "UPDATE", "DELETE")


@dataclass(frozen=True, slots=True)
class Case:
    """A request and what the story says is right."""

    request: Request
    gold: str


def conformance_cases(bundle: Bundle, *, windows: int = 12, pairs: int = 60, questions: int = 16) -> list[Case]:
    """Requests of all three experts from shipped stories that training held out, always the same ones.

    Needs no model: contexts of questions are retrieved by words alone.
    """
    from langchain_memlora.lab.training.reading import generation_rows
    from langchain_memlora.lab.training.rows import extraction_rows, story_sessions, update_rows
    from langchain_memlora.lab.training.stories import load_stories

    stories = load_stories()[::12]  # the part that `training.build.split` holds out
    made = {
        Role.EXTRACTION: (windows, extraction_rows(bundle, story_sessions(stories))),
        Role.MEMORY_UPDATE: (pairs, update_rows(bundle, stories)),
        Role.GENERATION: (questions, generation_rows(bundle, stories, embeddings=DeterministicFakeEmbedding(size=32))),
    }
    cases = []
    for role, (count, rows) in made.items():
        choices = LABELS if role is Role.MEMORY_UPDATE else ()
        for row in random.Random(0).sample(rows, count):
            prompt, gold = row["prompt"][0]["content"], row["completion"][0]["content"]
            cases.append(Case(Request(role, prompt, bundle.card.max_tokens[role], choices), gold))
    return cases


class EngineConformance:
    """Inherit from it in a test class of pytest and give it a fixture `engine`, with the shipped experts loaded.

    What is compared with transformers in float32 is computed once a process; that needs the base model and takes a minute.

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

    def test_usage_is_reported(self, engine: Engine) -> None:
        """Tokens, time and adapter are told, the tokens read are those of transformers, probabilities sum to 1."""
        for case, completion, expected in zip(_cases(), _answers(engine), _expected(), strict=True):
            assert completion.prompt_tokens == expected.prompt_tokens
            assert 1 <= completion.completion_tokens <= case.request.max_tokens
            assert completion.adapter == str(case.request.role)
            assert completion.seconds > 0
            if chances := completion.probabilities:
                assert abs(sum(chances) - 1) < 1e-6
                assert completion.text == case.request.choices[chances.index(max(chances))]

    def test_update_choices_are_those_of_transformers(self, engine: Engine) -> None:
        """At least 95 % of them."""
        pairs = [
            (found.text, expected.text)
            for case, found, expected in zip(_cases(), _answers(engine), _expected(), strict=True)
            if case.request.choices
        ]
        equal = sum(found == expected for found, expected in pairs)
        assert equal >= EQUAL_CHOICES * len(pairs), f"{equal} of {len(pairs)} choices are equal"

    def test_the_task_is_done_as_well_as_by_transformers(self, engine: Engine) -> None:
        """At least 98 % of its score: share of right decisions, word F1 of facts and answers."""
        found, expected = _scores(_answers(engine)), _scores(_expected())
        for role, score in expected.items():
            assert found[role] >= TASK_METRIC * score, f"{role}: {found[role]:.3f}, transformers {score:.3f}"

    def test_adapters_are_never_mixed(self, engine: Engine) -> None:
        """Requests of all roles and of none, interleaved and from several threads, get what they get by role."""
        roles = (*dict.fromkeys(case.request.role for case in _cases()), None)
        short = [replace(case.request, max_tokens=8) for case in _cases()[::8]]
        groups = [[replace(request, role=role) for request in short] for role in roles]
        alone = [_essence(engine.run(group)) for group in groups]
        mixed = _essence(engine.run([request for requests in zip(*groups, strict=True) for request in requests]))
        assert [mixed[place :: len(roles)] for place in range(len(roles))] == alone
        with ThreadPoolExecutor(len(groups)) as pool:
            assert [_essence(found) for found in pool.map(engine.run, groups)] == alone

    def test_a_switched_off_adapter_differs(self, engine: Engine) -> None:
        """Without an adapter the base model answers, and otherwise."""
        for role in dict.fromkeys(case.request.role for case in _cases()):
            asked = [replace(case.request, max_tokens=8) for case in _cases() if case.request.role == role][:4]
            on, off = engine.run(asked), engine.run([replace(request, role=None) for request in asked])
            assert {c.adapter for c in off} == {None}
            assert [(c.text, c.probabilities) for c in on] != [(c.text, c.probabilities) for c in off]

    def test_a_chat_says_what_a_request_gets(self, engine: Engine) -> None:
        """An engine that chats writes the same text piece by piece."""
        if type(engine).write is Engine.write:
            return
        request = next(case.request for case in _cases() if case.request.role is Role.EXTRACTION)
        pieces: list[str] = []
        chat = ChatRequest(request.role, (("user", request.prompt),), request.max_tokens)
        completion = engine.submit_chat(chat, lambda piece: pieces.append(piece) or True).result()
        assert "".join(pieces) == completion.text == engine.run([request])[0].text
        assert completion.finished


@functools.cache
def _cases() -> tuple[Case, ...]:
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
    """What must not depend on company; probabilities may, in their last digits."""
    return [(c.text, c.prompt_tokens, c.completion_tokens, c.adapter) for c in completions]


def _scores(completions: Sequence[Completion]) -> dict[str, float]:
    """The mean score of each role, from 0 to 1."""
    by_role: dict[str, list[float]] = {}
    for case, completion in zip(_cases(), completions, strict=True):
        right = float(completion.text == case.gold) if case.request.choices else _word_f1(completion.text, case.gold)
        by_role.setdefault(str(case.request.role), []).append(right)
    return {role: sum(scores) / len(scores) for role, scores in by_role.items()}


def _word_f1(text: str, gold: str) -> float:
    found, wanted = Counter(text.lower().split()), Counter(gold.lower().split())
    common = (found & wanted).total()
    return 2 * common / (found.total() + wanted.total()) if common else 0.0
