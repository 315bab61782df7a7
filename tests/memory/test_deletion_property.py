"""Property test: a secret repeated anywhere, in any form, by anyone, is gone after a deletion at any door, and comes back."""

from __future__ import annotations

import dataclasses
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.vectorstores import InMemoryVectorStore
from support import BagOfWords, judge, plain_bundle, tell

from langchain_memlora import MemLoRAMemory
from langchain_memlora.ledger import details
from langchain_memlora.testing import ScriptedEngine

SECRETS = {
    "4471": "My alarm code is 4471",
    "KX-2094": "My licence plate is KX-2094",
    "84,250": "I earn 84,250 a year",
    "Ottilie": "I have a sister called Ottilie",
    "Dr. Okafor": "My therapist is Dr. Okafor",
    "marzipan": "My safe word is marzipan",
    "Sonne!2024": "My wifi password is Sonne!2024",
}
FORMS: Sequence[Callable[[str], str]] = (str, str.upper, str.lower, lambda s: f"({s})!", lambda s: f"“{s}”,")
AROUND = ("{}", "Got it: {}.", "hm {} again", "I read about that. So {} it is, and the shop is open.", "hm {}? I see!")
HARMLESS = ("I keep bees", "hm the shop opens at 9:30", "hm my locker is on floor 3", "I saw 44 birds in Porto in 2019")
SPEAKERS = ("user", "assistant")

messages = st.lists(
    st.tuples(st.sampled_from(SPEAKERS), st.sampled_from(FORMS), st.sampled_from(AROUND), st.sampled_from(["t", "u"])),
    min_size=1,
    max_size=4,
)
DOORS = ("delete", "tool", "request", "turn", "all")


def opened(folder: Path) -> MemLoRAMemory:
    return MemLoRAMemory(
        path=folder,
        experts=dataclasses.replace(plain_bundle()),
        engine=ScriptedEngine(extraction=tell, memory_update=judge, generation=lambda prompt: prompt),
        index=InMemoryVectorStore(BagOfWords()),
        reranker=None,
    )


def shown(memory: MemLoRAMemory, file: Path) -> list[str]:
    """Return every text that readers of the user return, in order."""
    view = memory.for_user("ana")
    hits = [h for inc in ("memories", "turns") for h in view.search("My I shop bees", k=99, include=inc)]  # type: ignore[arg-type]
    found = [hit.text for hit in hits] + [turn.shown for hit in hits for turn in hit.turns]
    found += [memory.text for memory in view.get_all()]
    found += view.answer("My I shop bees", k=99, budget=9999).context.splitlines()
    view.export(file)
    exported = re.sub(r"[0-9a-f]{32,64}|\.\d{6}\+", "", file.read_text(encoding="utf-8"))  # may hold any digits
    file.unlink()
    return [*sorted(found), exported]


def delete(memory: MemLoRAMemory, door: str, key: str, statement: str) -> list[str]:
    """Delete the memory by a door; return the ids to restore."""
    view = memory.for_user("ana")
    match door:
        case "delete":
            view.delete(key)
        case "tool":
            view.as_tools()[-1].invoke({"memory_id": key})
        case "request":
            view.add(f"forget that {memory.get(key, user_id='ana').text}", thread_id="ask")
            return [str(op.memory_id or op.turn_id) for op in view.history() if op.withheld]
        case "turn":
            (turn,) = view.get(key).turn_ids
            view.delete_turns([turn])
            return [turn]
        case "all":
            return [str(op.memory_id) for op in view.delete_all()]
    return [key]


@settings(max_examples=10)
@given(secret=st.sampled_from(sorted(SECRETS)), told=messages, door=st.sampled_from(DOORS))
def test_no_door_returns_a_deleted_detail(
    secret: str, told: list[tuple[str, Callable[[str], str], str, str]], door: str
) -> None:
    with tempfile.TemporaryDirectory() as place, opened(Path(place) / "home") as memory:
        file = Path(place) / "export.jsonl"
        statement = SECRETS[secret]
        key = str(memory.add([statement, *HARMLESS], user_id="ana", thread_id="t").operations[0].memory_id)
        for thread in ("t", "u"):
            said = [(speaker, around.format(form(secret))) for speaker, form, around, where in told if where == thread]
            memory.add([*said, "hm"], user_id="ana", thread_id=thread)
        memory.add(statement, user_id="ben", infer=False)
        before = shown(memory, file)
        restorable = delete(memory, door, key, statement)
        after = "\n".join(shown(memory, file))
        value = details._squeezed(secret.removeprefix("Dr. "))
        assert value not in details._squeezed(after.replace(statement.removesuffix(secret), ""))
        assert door == "all" or all(text.removeprefix("I ") in after for text in HARMLESS)
        assert memory.get_all(user_id="ben")[0].text == statement
        for one in restorable:
            memory.restore(one, user_id="ana")
        if door != "request":  # the request is there now, too
            assert shown(memory, file)[:-1] == before[:-1]
