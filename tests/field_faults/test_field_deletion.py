"""Tests that a deletion reaches whatever repeats the deleted detail, in any writing and at every door."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from langchain.agents import create_agent
from support.field_faults import Make, everything, model, only, say

from langchain_memlora import MemLoRAMemory
from tests.integrations.agents import call

pytestmark = pytest.mark.slow


def squashed(text: str) -> str:
    """Return letters and digits only, so that neither case nor separators hide a detail."""
    return re.sub(r"[\W_]+", "", text).casefold()


ECHOES = [
    ("My wifi password is BlueHeron-88.", "NOTED: THE WIFI PASSWORD IS BLUEHERON-88!", "blueheron-88", "wifi password"),
    (
        "My passport number is X1234567.",
        "Since your passport number is x1234567, renew it before June, then book the flight, and don't forget sunscreen.",
        "x1234567",
        "passport number",
    ),
    ("My IBAN is DE44 5001 0517 5407 3249 31.", "Saved: DE44500105175407324931.", "DE4450010517540732", "IBAN saved"),
    (
        "My salary is 12,450 euros a month.",
        "With a salary of 12450 euros a month you could save a fifth.",
        "12450",
        "salary euros a month",
    ),
    ("My phone number is 0170-555-0182.", "I'll text you on 0170 5550182.", "01705550182", "phone number text"),
    (
        "My sister is called Wilhelmina.",
        "What a lovely name! Give WILHELMINA my best wishes, she surely likes flowers.",
        "wilhelmina",
        "sister name best wishes",
    ),
]


@pytest.mark.parametrize(("said", "echo", "secret", "question"), ECHOES)
def test_echo_in_other_writing_is_withheld(
    memory: MemLoRAMemory, said: str, echo: str, secret: str, question: str
) -> None:
    memory.add([("user", said), ("assistant", echo)], user_id="ana", thread_id="t1")
    assert squashed(secret) in squashed(everything(memory, question))
    memory.delete(memory.get_all(user_id="ana")[0].id, user_id="ana")
    assert squashed(secret) not in squashed(everything(memory, question, said.split(" is ")[0]))


def test_request_withholds_itself_and_its_confirmation(memory: MemLoRAMemory) -> None:
    # The request repeats the detail, and so does the confirmation after it.
    memory.add(
        [("user", "My locker code is 2291."), ("assistant", "Locker 2291, got it.")], user_id="ana", thread_id="t1"
    )
    memory.add(
        [("user", "forget my locker code 2291"), ("assistant", "Done. I no longer know 2291.")],
        user_id="ana",
        thread_id="t2",
    )
    assert "2291" not in everything(memory, "What is my locker code?", "forget locker", "no longer know")


def test_last_words_of_the_run_are_withheld(memory: MemLoRAMemory) -> None:
    # The last words of the run are written after the deletion.
    memory.add([("user", "My gate code is 8842."), ("assistant", "Gate code: 8842.")], user_id="ana", thread_id="t1")
    chat = model(call("forget_memory", memory_id=only(memory, "8842").id), "Your gate code 8842 is deleted.")
    agent = create_agent(chat, middleware=[memory.as_middleware(user_id="ana", tools=True, tool_messages=True)])
    assert say(agent, "hm please delete my gate code")[-1].text.endswith("deleted.")
    assert "8842" not in everything(memory, "What is my gate code?", "gate code deleted", "Forgotten")


@pytest.mark.parametrize("other", [{"thread_id": "t9"}, {"run_id": "r1"}, {"agent_id": "coach"}])
def test_echo_elsewhere_is_withheld(memory: MemLoRAMemory, other: dict[str, str]) -> None:
    memory.add("My alarm code is 6038.", user_id="ana", thread_id="t1")
    memory.add([("user", "hm remind me of it"), ("assistant", "The alarm code is 6038.")], user_id="ana", **other)
    memory.delete(only(memory, "6038").id, user_id="ana")
    scope = {key: value for key, value in other.items() if key != "thread_id"}
    hits = memory.search("alarm code", user_id="ana", k=50, **scope)
    assert not any("6038" in turn.text for hit in hits for turn in hit.turns)
    assert "6038" not in memory.answer("What is my alarm code?", user_id="ana", k=50, **scope).text


def test_question_that_repeats_it_is_withheld(make: Make) -> None:
    memory = make({"too simple": []})
    memory.add("My alarm code is 4471.", user_id="ana")
    memory.add("Is 4471 too simple for an alarm?", user_id="ana", thread_id="t2")
    memory.delete(only(memory, "4471").id, user_id="ana")
    assert "4471" not in everything(memory, "alarm code", "too simple for an alarm")


def test_delete_all_covers_assistant_messages(memory: MemLoRAMemory) -> None:
    for user in ("ana", "ben"):
        memory.add([("user", "hm where do I park"), ("assistant", "Your parking spot is P-17.")], user_id=user)
    memory.delete_all(user_id="ana")
    assert "P-17" not in everything(memory, "Where is my parking spot?")
    assert "P-17" in everything(memory, "Where is my parking spot?", user_id="ben")


@pytest.mark.parametrize("way", ["delete", "request"])
def test_restore_brings_echo_and_message_back(memory: MemLoRAMemory, way: str) -> None:
    memory.add([("user", "My alarm code is 4471."), ("assistant", "Sure, 4471 it is.")], user_id="ana", thread_id="t1")
    key = only(memory, "4471").id
    if way == "delete":
        memory.delete(key, user_id="ana")
    else:
        memory.add("forget my alarm code", user_id="ana", thread_id="t2")
    assert "4471" not in everything(memory, "alarm code", "Sure it is")
    memory.restore(key, user_id="ana")
    found = [turn.text for hit in memory.search("alarm code Sure it is", user_id="ana", k=50) for turn in hit.turns]
    assert {"My alarm code is 4471.", "Sure, 4471 it is."} <= {*found}


def test_other_users_keep_theirs(memory: MemLoRAMemory) -> None:
    for user in ("ana", "ben", "an"):
        memory.add([("user", "My alarm code is 4471."), ("assistant", "Noted: 4471.")], user_id=user)
    memory.delete(only(memory, "4471").id, user_id="ana")
    assert "4471" not in everything(memory, "alarm code", "Noted")
    for user in ("ben", "an"):
        found = [t.text for hit in memory.search("alarm code noted", user_id=user, k=50) for t in hit.turns]
        assert len({*found}) == 2


UNRELATED = [
    "I set an alarm clock to 6.",
    "hm order 44712 has shipped",
    "hm room 447 on floor 1",
    "My bike code is 9120.",
]


def test_unrelated_messages_stay(memory: MemLoRAMemory) -> None:
    # Words or digits in common with the deleted fact make no repetition of it.
    for number, text in enumerate(UNRELATED):
        memory.add([("user", text), ("assistant", f"OK {number}, thanks.")], user_id="ana", thread_id=f"u{number}")
    memory.add([("user", "My alarm code is 4471."), ("assistant", "Got it, 4471.")], user_id="ana", thread_id="t1")
    memory.delete(only(memory, "4471").id, user_id="ana")
    seen = everything(memory, "set an alarm clock", "order shipped", "room on floor", "bike code", "OK thanks")
    assert "4471." not in seen
    for text in (*UNRELATED, "OK 0, thanks.", "OK 3, thanks."):
        assert text in seen


def test_statement_after_deletion_is_known(memory: MemLoRAMemory) -> None:
    memory.add([("user", "My alarm code is 4471."), ("assistant", "Noted: 4471.")], user_id="ana", thread_id="t1")
    memory.delete(only(memory, "4471").id, user_id="ana")
    memory.add(
        "My alarm code is 4471.", user_id="ana", thread_id="t2", observed_at=datetime.now(UTC) + timedelta(days=1)
    )
    assert "4471" in everything(memory, "What is my alarm code?")


def test_deleted_detail_is_in_no_later_prompt(memory: MemLoRAMemory) -> None:
    memory.add([("user", "My alarm code is 4471."), ("assistant", "So 4471 it is?")], user_id="ana", thread_id="t1")
    memory.delete(only(memory, "4471").id, user_id="ana")
    before = len(memory.engine.calls)
    memory.add("Yes, exactly that one.", user_id="ana", thread_id="t1")
    assert not any("4471" in request.prompt for request in memory.engine.calls[before:])
    assert "4471" not in everything(memory, "alarm code")


def test_turn_is_deleted_by_id(memory: MemLoRAMemory) -> None:
    done = memory.add([("user", "hm where"), ("assistant", "Your desk is D-12, by the door.")], user_id="ana")
    turn_id = next(t.id for t in memory.turns(done.turn_ids, user_id="ana") if t.role == "assistant")
    memory.delete_turns([turn_id], user_id="ana")
    assert "D-12" not in everything(memory, "Where is my desk?")
    assert "hm where" in everything(memory, "where")
