"""Tests of long texts: prompts, budgets, windows and cost."""

from __future__ import annotations

import pytest
from support.field_faults import Make, june, recalled, texts

from langchain_memlora.errors import InvalidInputError

pytestmark = pytest.mark.slow

SCRIPTS = {
    "english": "The old boat needs paint before the summer regatta begins. ",
    "chinese": "这条旧船在夏天的比赛开始之前需要重新刷漆。",
    "emoji": "🚤🎨🌞🏁🪣🧽🖌️🌊",
    "cyrillic": "Старую лодку нужно покрасить до начала летней регаты. ",
    "arabic": "القارب القديم يحتاج إلى طلاء قبل بداية السباق. ",
    "no-spaces": "QmFzZTY0/kXz+9Lm",
    "thai": "เรือเก่าต้องทาสีก่อนการแข่งขันฤดูร้อน",
}


def long(script: str, characters: int) -> str:
    return (SCRIPTS[script] * (characters // len(SCRIPTS[script]) + 1))[:characters]


def size(text: str) -> int:
    return len(text.encode())


@pytest.mark.parametrize("script", ["english", "chinese", "emoji", "no-spaces"])
def test_prompts_stay_small_beside_a_long_note(make: Make, script: str) -> None:
    # 16 kB are about 4,000 tokens of English.
    memory = make(languages=())
    memory.add(f"My boat notes: {long(script, 44_000)}", user_id="ana", infer=False)
    memory.answer("What do my boat notes say?", user_id="ana")
    memory.add("I own a boat and notes about it", user_id="ana")
    assert any("own a boat" in text for text in texts(memory))
    assert max(size(request.prompt) for request in memory.engine.calls) <= 16_000


@pytest.mark.parametrize("script", ["english", "cyrillic", "arabic", "thai", "emoji"])
def test_budgets_hold_in_answers_and_recall(make: Make, script: str) -> None:
    # Eight bytes are allowed for a token; an agent's prompt has its instructions beside the memories.
    memory = make(languages=())
    for number in range(5):
        memory.add(f"My boat notes {number}: {long(script, 20_000)}", user_id="ana", infer=False, thread_id=str(number))
    context = memory.answer("What do my boat notes say?", user_id="ana", budget=250).context
    assert 0 < size(context) <= 250 * 8
    assert 0 < size(recalled(memory, "What do my boat notes say?", budget=300)) <= 300 * 8 + 1500


@pytest.mark.parametrize("label", ["UPDATE", "DELETE", "NONE"])
@pytest.mark.parametrize("script", ["english", "chinese"])
def test_sentence_never_supersedes_a_long_note(make: Make, label: str, script: str) -> None:
    memory = make(rule=lambda old, new: label, languages=())
    note = f"My boat notes: {long(script, 12_000)}"
    memory.add(note, user_id="ana", infer=False, thread_id="a", observed_at=june(2021))
    memory.add("I sold the boat", user_id="ana", thread_id="b", observed_at=june(2022))
    known = texts(memory)
    assert sum(len(text) for text in known if "boat notes" in text or len(text) > 300) >= 11_000
    if label != "NONE":
        assert any("sold the boat" in text and len(text) < 300 for text in known)


@pytest.mark.parametrize("script", ["emoji", "chinese", "arabic", "no-spaces"])
def test_windows_are_cut_by_tokens(make: Make, script: str) -> None:
    # A window of another script holds fewer characters: in bytes, no more than twice an English one.
    sizes = []
    for kind in ("english", script):
        memory = make({"": []}, languages=())
        memory.add(f"I wrote: {long(kind, 9_000)}", user_id="ana")
        sizes.append(max(size(r.prompt) for r in memory.engine.calls if r.role == "extraction"))
    assert sizes[1] <= 2 * sizes[0]


def test_cost_is_linear(make: Make) -> None:
    costs = []
    for characters in (6_000, 48_000):
        memory = make({"": []}, languages=())
        memory.add(long("english", characters), user_id="ana")
        costs.append(sum(size(request.prompt) for request in memory.engine.calls))
    assert costs[1] <= 12 * costs[0]


@pytest.mark.parametrize("script", ["english", "emoji"])
def test_end_of_a_long_note_is_found_and_shown(make: Make, script: str) -> None:
    # The prompt shows the part that was found, not the beginning.
    memory = make(languages=())
    memory.add(f"{long(script, 30_000)} The locker combination is 7351.", user_id="ana", infer=False)
    assert memory.search("locker combination", user_id="ana")
    assert "7351" in memory.answer("What is the locker combination?", user_id="ana").context


@pytest.mark.parametrize("script", ["english", "chinese"])
def test_long_question(make: Make, script: str) -> None:
    # The question is clipped, or refused with an error.
    memory = make(languages=())
    memory.add("I own a boat", user_id="ana")
    before = len(memory.engine.calls)
    try:
        memory.answer(long(script, 40_000) + " What do I own?", user_id="ana")
    except InvalidInputError:
        return
    assert max(size(request.prompt) for request in memory.engine.calls[before:]) <= 20_000
