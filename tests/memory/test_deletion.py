"""Tests that a deletion is of information: whatever repeats the detail is withheld, at every door, and can be restored."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support import MAY_8, MAY_15, texts

from langchain_memlora import MemLoRAMemory
from langchain_memlora.errors import NotFoundError
from langchain_memlora.types import Event, Operation

Make = Callable[..., MemLoRAMemory]
CODE = "My alarm code is 4471."
ECHO = "Got it, your alarm code is 4471."
CHANCE = re.compile(r"[0-9a-f]{32,64}|datetime\.datetime\([^)]*\)|\.\d{6}\+|\d\.\d{4,}")  # may hold any digits


def shown(memory: MemLoRAMemory, folder: Path, user: str = "ana") -> str:
    """Return all that the readers of a user return."""
    view = memory.for_user(user)
    found: list[object] = [view.get_all(), view.history(deleted=False)]
    for query in ("alarm code", "Where do I live? Porto", "wine cat sister"):
        found += [view.search(query, k=99, include=include) for include in ("both", "memories", "turns")]
        found += [view.answer(query, k=99, budget=9999), view.as_tools(k=99)[0].invoke({"query": query})]
    file = folder / "export.jsonl"
    view.export(file)
    found.append(file.read_text())
    file.unlink()
    return CHANCE.sub("", repr(found))


def told(memory: MemLoRAMemory, *messages: object, thread: str = "t") -> list[Operation]:
    return list(memory.add(list(messages), user_id="ana", thread_id=thread, observed_at=MAY_8).operations)


@pytest.fixture
def code(memory: MemLoRAMemory) -> str:
    """Store the code, its echo and other messages; return the memory's id."""
    (added, *_) = told(memory, CODE, ("assistant", ECHO), "I keep a cat", ("assistant", "Cats like 2 meals."))
    return str(added.memory_id)


def test_echo_goes_with_the_memory(memory: MemLoRAMemory, code: str, tmp_path: Path) -> None:
    before = shown(memory, tmp_path)
    assert "4471" in before
    done = memory.delete(code, user_id="ana")
    after = shown(memory, tmp_path)
    assert "4471" not in after
    assert "keep a cat" in after
    assert "2 meals" in after
    assert [(item.kind, item.reason) for item in done.withheld] == [("turn", "evidence"), ("turn", "repeats")]
    assert memory.history(code, user_id="ana")[-1].withheld == done.withheld
    assert memory.turns([item.id for item in done.withheld], user_id="ana") == []
    memory.restore(code, user_id="ana")
    assert ECHO in shown(memory, tmp_path)
    assert {*texts(memory.turns([item.id for item in done.withheld], user_id="ana"))} == {CODE, ECHO}  # type: ignore[arg-type]


@pytest.mark.parametrize("ask", ["forget that My alarm code is 4471.", "forget that My alarm code is 4471!"])
def test_request_withholds_itself_and_echoes(memory: MemLoRAMemory, code: str, tmp_path: Path, ask: str) -> None:
    told(memory, ask, ("assistant", "Done, I no longer know the code 4471."), thread="later")
    assert "4471" not in shown(memory, tmp_path)
    assert "keep a cat" in shown(memory, tmp_path)


def test_request_reaches_what_only_the_assistant_said(memory: MemLoRAMemory, tmp_path: Path) -> None:
    told(memory, "hm, which code?", ("assistant", "Your alarm code is 4471."), thread="a")
    (done,) = told(memory, "forget that My alarm code is 4471", thread="b")
    assert (done.event, {item.reason for item in done.withheld}) == (Event.NONE, {"repeats", "request"})
    assert "4471" not in shown(memory, tmp_path)
    memory.restore(str(done.turn_id), user_id="ana")
    assert "Your alarm code is 4471." in shown(memory, tmp_path)


def test_memories_that_contain_the_detail_go_along(memory: MemLoRAMemory, code: str, tmp_path: Path) -> None:
    other = memory.add("The house: alarm 4471, cat Miso.", user_id="ana", agent_id="coach", infer=False).operations[0]
    ben = memory.add(CODE, user_id="ben", infer=False).operations[0]
    done = memory.delete(code, user_id="ana")
    assert other.memory_id in {item.id for item in done.withheld if item.reason == "repeats"}
    assert "4471" not in shown(memory, tmp_path)
    assert memory.history(other.memory_id, user_id="ana")[-1].by == "repeats"
    assert memory.get(str(ben.memory_id), user_id="ben").text == CODE
    memory.restore(code, user_id="ana")
    assert memory.get(str(other.memory_id), user_id="ana").text == "The house: alarm 4471, cat Miso."


def test_other_statements_about_a_place_stay(memory: MemLoRAMemory, tmp_path: Path) -> None:
    (home, *_) = told(
        memory, "I live in Porto", ("assistant", "So you live in PORTO, nice!"), "hm Porto has nice wine."
    )
    told(memory, "My sister lives in Porto", thread="sister")
    memory.delete(str(home.memory_id), user_id="ana")
    found = shown(memory, tmp_path)
    assert "Porto has nice wine" in found
    assert "My sister lives in Porto" in found
    assert "So you live in PORTO" not in found
    assert "I live in Porto" not in found


def test_delete_all_withholds_every_message(memory: MemLoRAMemory, code: str, tmp_path: Path) -> None:
    before = shown(memory, tmp_path)
    told(memory, ("assistant", "You said the shop closes at 6."), thread="b")
    operations = memory.delete_all(user_id="ana")
    assert not any(text in shown(memory, tmp_path) for text in ("4471", "keep a cat", "shop"))
    for operation in operations:
        memory.restore(str(operation.memory_id), user_id="ana")
    assert "shop closes" in shown(memory, tmp_path)
    assert all(text in shown(memory, tmp_path) for text in (CODE, ECHO, "2 meals"))
    assert len(before) < len(shown(memory, tmp_path))


def test_delete_all_without_memories(memory: MemLoRAMemory, tmp_path: Path) -> None:
    told(memory, ("assistant", "Your alarm code is 4471."), ("assistant", "Your cat is Miso."))
    operations = memory.delete_all(user_id="ana")
    assert [op.memory_id for op in operations] == [None, None]
    assert "4471" not in shown(memory, tmp_path)
    memory.restore(str(operations[0].turn_id), user_id="ana")
    found = shown(memory, tmp_path)
    assert "4471" in found
    assert "Miso" not in found


def test_turns_are_deleted_by_id(memory: MemLoRAMemory, code: str, tmp_path: Path) -> None:
    (turn,) = memory.get(code, user_id="ana").turn_ids
    with pytest.raises(NotFoundError, match="no turn 'nothing'"):
        memory.delete_turns([turn, "nothing"], user_id="ana")
    with pytest.raises(NotFoundError, match="no turn"):
        memory.delete_turns([turn], user_id="ben")
    done, gone = memory.for_user("ana").delete_turns([turn])
    assert (done.event, done.memory_id, done.turn_id, gone.memory_id) == (Event.DELETE, None, turn, code)
    assert {item.reason for item in done.withheld} == {"deleted", "evidence", "repeats"}
    assert "4471" not in shown(memory, tmp_path)
    assert "keep a cat" in shown(memory, tmp_path)
    assert memory.restore(turn, user_id="ana").by == "restore"
    assert memory.get(code, user_id="ana")
    assert ECHO in shown(memory, tmp_path)


def test_said_again_is_news(memory: MemLoRAMemory, code: str, tmp_path: Path) -> None:
    memory.delete(code, user_id="ana")
    told(memory, ("assistant", "Deleted: the code 4471."), thread="later")
    assert "4471" not in shown(memory, tmp_path)
    told(memory, "Remember again: my alarm code is 4471", ("assistant", "Noted, 4471."), thread="again")
    found = shown(memory, tmp_path)
    assert "Remember again: my alarm code is 4471" in found
    assert "Noted, 4471." in found
    assert "Deleted: the code" not in found


def test_said_after_the_request_in_one_add(memory: MemLoRAMemory, code: str, tmp_path: Path) -> None:
    told(memory, "forget that My alarm code is 4471.", "My new locker has the code 4471 now", thread="b")
    found = shown(memory, tmp_path)
    assert "new locker" in found
    assert ECHO not in found


def test_queued_messages_do_not_bring_it_back(make_memory: Make, tmp_path: Path) -> None:
    deleted: list[str] = []

    def meanwhile(prompt: str) -> str:
        """Delete the memory while another message about it is read."""
        if "keep" in prompt and not deleted:
            deleted.append(str(memory.get_all(user_id="ana")[0].id))
            memory.delete(deleted[0], user_id="ana")
        return "\n".join(
            f"{line.split()[0]} {line.split(': ', 1)[1]}" for line in prompt.splitlines() if line[:1].isdigit()
        )

    memory = make_memory(extraction=meanwhile)
    told(memory, CODE)
    told(memory, "I keep the code 4471 on my fridge", "I like tea", thread="b")
    assert "4471" not in shown(memory, tmp_path)
    assert "User I like tea" in texts(memory.get_all(user_id="ana"))
    memory.reread()
    assert "4471" not in shown(memory, tmp_path)
    memory.restore(deleted[0], user_id="ana")
    assert "fridge" in shown(memory, tmp_path)
    memory.reread()  # what was withheld unread is read now
    assert any("fridge" in text for text in texts(memory.get_all(user_id="ana")))


def test_pending_jobs_skip_withheld_messages(make_memory: Make, tmp_path: Path) -> None:
    memory = make_memory(retention=None)
    told(memory, CODE)
    scope = memory.get_all(user_id="ana")[0].scope
    key = memory.get_all(user_id="ana")[0].id
    memory._writer._worker.close()  # the queue stands still
    memory.add(["Did I say 4471?", "I like tea"], user_id="ana", thread_id="q", background=True, observed_at=MAY_15)
    memory.delete(key, user_id="ana")
    memory.close()
    again = make_memory()
    again.flush()
    assert texts(again.ledger.memories(scope)) == ["User like tea"]
    assert "4471" not in shown(again, tmp_path)


def test_tool_does_not_repeat_what_it_forgets(memory: MemLoRAMemory, code: str) -> None:
    forget = memory.as_tools(user_id="ana")[-1]
    assert forget.invoke({"memory_id": code}) == "Forgotten, with 2 messages about it. Don't repeat what it said."


def test_user_export_can_be_imported(memory: MemLoRAMemory, code: str, make_memory: Make, tmp_path: Path) -> None:
    memory.delete(code, user_id="ana")
    memory.export(tmp_path / "ana.jsonl", user_id="ana")
    memory.export(tmp_path / "all.jsonl")
    kinds = [json.loads(line)["record"] for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert kinds.count("withheld") == 2
    other = make_memory(path=tmp_path / "other")
    other.import_(tmp_path / "ana.jsonl")
    assert texts(other.get_all(user_id="ana", deleted=True)) == ["User keep a cat"]
    copy = make_memory(path=tmp_path / "copy")
    copy.import_(tmp_path / "all.jsonl")
    assert "4471" not in shown(copy, tmp_path)
    copy.restore(code, user_id="ana")
    assert ECHO in shown(copy, tmp_path)


def test_interrupted_deletion_changes_nothing(
    memory: MemLoRAMemory, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    before = memory.get_all(user_id="ana", deleted=True)
    with monkeypatch.context() as patched:
        patched.setattr("langchain_memlora.ledger.deletion.rewrite_entries", crash)
        with pytest.raises(KeyboardInterrupt):
            memory.delete(code, user_id="ana")
    assert memory.get_all(user_id="ana", deleted=True) == before
    assert ECHO in shown(memory, tmp_path)
