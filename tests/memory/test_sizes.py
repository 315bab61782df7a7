"""Sizes: whatever is stored, later calls succeed, prompts keep to their budgets, and a part never stands for the whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from support import judge, tell, turn

from langchain_memlora import MemLoRAMemory
from langchain_memlora.bundles import load_bundle
from langchain_memlora.engines.counting import TokenCounter
from langchain_memlora.experts import Experts
from langchain_memlora.experts.windows import cut_windows
from langchain_memlora.intake.messages import MAX_CHARACTERS
from langchain_memlora.integrations.recall import recall
from langchain_memlora.passages import passages, shown_for
from langchain_memlora.testing import ScriptedEngine
from langchain_memlora.tokens import clip, tokens_at_most
from langchain_memlora.types import Event, Scope

Make = Callable[..., MemLoRAMemory]
LIMIT = 2048
KINDS = {
    "english": "My sister Ana moved to Porto last spring, and she works as a nurse there. ",
    "chinese": "我上个月搬到了柏林，现在和我的妹妹住在一起。",
    "emoji": "🎉😀👩‍👩‍👧🏳️‍🌈🍕",
    "code": "def add(self, left: int, *, right: int = 0) -> int:\n    return self.total[left] + right\n",
    "letters": "qzxvkj",
}
NOTE = "The kiln report. " + "Nothing of note happened on this day either. " * 250
CODE = "The spare key is under the blue flowerpot. "


def long(kind: str, size: int = MAX_CHARACTERS) -> str:
    text = KINDS[kind]
    return (text * (size // len(text) + 1))[:size]


def bytes_of(text: str) -> int:
    """Count tokens as the worst tokenizer would."""
    return (len(text.encode()) + 2) // 3


def tell_statements(prompt: str) -> str:
    """Extract the messages that begin with "I", as `tell` does."""
    return tell("\n".join(line for line in prompt.splitlines() if ": I " in line))


@pytest.fixture
def memory(make_memory: Make) -> MemLoRAMemory:
    """Return a memory whose model reads little, and counts its tokens strictly."""
    engine = ScriptedEngine(
        extraction=tell_statements, memory_update=judge, generation=lambda prompt: prompt, count=bytes_of, limit=LIMIT
    )
    return make_memory(engine=engine)


@pytest.mark.parametrize("kind", ["english", "emoji"])
def test_nothing_stored_makes_a_later_call_fail(memory: MemLoRAMemory, kind: str) -> None:
    memory.add(long(kind), user_id="ana", infer=False)
    for infer in (False, True):
        assert memory.add([{"role": "user", "content": long(kind, 4000)}], user_id="ana", infer=infer).status == "ok"
    done = memory.add("I live in Berlin", user_id="ana", thread_id="later")
    assert (done.status, [op.event for op in done.operations]) == ("ok", [Event.ADD])
    for question in ("Where do I live?", long(kind)):
        answer = memory.answer(question, user_id="ana", k=20, budget=200)
        assert bytes_of(answer.context) <= 220
    assert memory.answer("Berlin", user_id="ana", k=50, budget=10**6).text


@pytest.mark.parametrize("kind", ["chinese", "code", "letters"])
def test_agent_gets_its_budget(memory: MemLoRAMemory, kind: str) -> None:
    memory.add(long(kind), user_id="ana", infer=False)
    options: dict[str, Any] = {"k": 5, "include": "both", "thread_id": "t", "shown": ()}
    text = recall(memory, long(kind, 100), Scope("ana"), budget=500, **options)
    assert 0 < tokens_at_most(text) <= 500
    (search, *_) = memory.as_tools(user_id="ana")
    assert tokens_at_most(search.invoke({"query": long(kind, 100)})) < 2000


def test_best_passage_of_a_long_note_is_shown(memory: MemLoRAMemory) -> None:
    half = len(NOTE) // 2
    memory.add(NOTE[:half] + CODE + NOTE[half:], user_id="ana", infer=False)
    question = "Where is the spare key to the flowerpot?"
    assert "under the blue flowerpot" in memory.answer(question, user_id="ana").context
    assert "under the blue flowerpot" in memory.as_tools(user_id="ana")[0].invoke({"query": question})


def test_sentence_never_supersedes_a_long_note(make_memory: Make) -> None:
    memory = make_memory(memory_update=lambda prompt: "DELETE" if "New: forget" in prompt else "UPDATE")
    (added,) = memory.add(NOTE, user_id="ana", infer=False).operations
    done = memory.add("I visit the kiln report", user_id="ana")
    assert [op.event for op in done.operations] == [Event.ADD]
    assert memory.get(str(added.memory_id), user_id="ana").text == NOTE.strip()
    memory.add("I like tea", user_id="ana", infer=False)
    done = memory.add("I like tea a lot", user_id="ana")
    assert [op.event for op in done.operations] == [Event.UPDATE]


def test_prompts_of_long_messages_are_bounded_and_linear(make_memory: Make) -> None:
    def cost(kind: str, size: int) -> tuple[int, int]:
        engine = ScriptedEngine(extraction=lambda prompt: "none", memory_update=lambda prompt: "ADD")
        experts = Experts(load_bundle(), engine)
        window = cut_windows([turn(long(kind, size))], whole_messages=experts.dialect.whole_messages)
        experts.extract(window)
        prompts = [bytes_of(request.prompt) for request in engine.calls]
        return max(prompts, default=0), sum(prompts)

    for kind in KINDS:
        _, small = cost(kind, 5_000)
        most, large = cost(kind, 50_000)
        assert most <= 2_000
        assert large <= 11 * max(small, 1)


TEXTS = st.text(st.sampled_from("ab .!?\n我🎉é9"), max_size=400)


@settings(max_examples=60, phases=[Phase.generate])
@given(text=TEXTS, limit=st.integers(1, 80), keep_end=st.booleans())
def test_clipped_text_fits_and_is_part_of_the_text(text: str, limit: int, keep_end: bool) -> None:
    short = clip(text, limit, keep_end=keep_end)
    assert tokens_at_most(short) <= max(limit, 4)
    assert short == text or short.strip(". ") in text
    parts = passages(text, limit)
    assert all(tokens_at_most(part) <= max(limit, 4) for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert tokens_at_most(shown_for(text, "ab", limit)) <= limit + 4 or len(text) < 12


def test_counter_estimates_without_files() -> None:
    counter = TokenCounter("org/unknown")
    assert (counter.count("I moved to Berlin."), counter.limit) == (5, None)


@pytest.mark.model
def test_counter_counts_as_the_model() -> None:
    engine = ScriptedEngine()
    counter = TokenCounter(load_bundle().card.base.name)
    assert counter.limit == 8192
    for kind in ("english", "chinese", "emoji", "code"):
        text = long(kind, 2000)
        assert 0.9 * counter.count(text) <= engine.count(text) <= 2 * counter.count(text)
