"""State machine of add, update, delete, restore and reread against a dict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from support import ANA, BEN, add, change, get_memory, say

from langchain_memlora.errors import NotFoundError
from langchain_memlora.ledger import Ledger
from langchain_memlora.types import Event, MemoryState, Scope, Span

USERS = st.sampled_from([ANA, BEN])
TEXTS = st.sampled_from(["apple", "bread", "cheese"])
SOURCES = st.sampled_from([("given", None), ("unproven", None), ("said", Span(0, 3)), ("written", Span(4, 8, "What?"))])


class LedgerMachine(RuleBasedStateMachine):
    """Models a memory as the texts it can be restored to, with their sources, and whether it is deleted or withdrawn.

    Only the first text of a memory has a turn, which states nothing else.
    """

    keys: Bundle[str] = Bundle("keys")

    def __init__(self, place: str | Path) -> None:
        super().__init__()
        self.ledger = Ledger(place)
        self.texts: dict[str, list[str]] = {}
        self.sources: dict[str, list[tuple[str, Span | None]]] = {}
        self.owner: dict[str, Scope] = {}
        self.deleted: set[str] = set()
        self.withdrawn: set[str] = set()
        self.restored: set[str] = set()

    @property
    def gone(self) -> set[str]:
        return self.deleted | self.withdrawn

    def teardown(self) -> None:
        self.ledger.close()

    @rule(target=keys, owner=USERS, text=TEXTS, source=SOURCES)
    def add(self, owner: Scope, text: str, source: tuple[str, Span | None]) -> str:
        thread = f"thread {len(self.texts)}"  # its own, since a deletion also withdraws what later turns quote of it
        told = say(self.ledger, f"{owner.user_id} said {text} {len(self.texts)}", owner, thread_id=thread)
        key = add(self.ledger, f"{owner.user_id} {text}", owner, told, form=source[0], said=source[1])
        self.texts[key], self.sources[key], self.owner[key] = [f"{owner.user_id} {text}"], [source], owner
        return key

    @rule(key=keys, text=TEXTS, source=SOURCES)
    def update(self, key: str, text: str, source: tuple[str, Span | None]) -> None:
        owner = self.owner[key]
        if key not in self.gone:
            change(self.ledger, Event.UPDATE, key, f"{owner.user_id} {text}", owner, form=source[0], said=source[1])
            self.texts[key].append(f"{owner.user_id} {text}")
            self.sources[key].append(source)

    @rule(target=keys, key=consumes(keys))
    def delete(self, key: str) -> object:
        if key not in self.gone:
            change(self.ledger, Event.DELETE, key, scope=self.owner[key])
            self.deleted.add(key)
        return multiple(key)

    @rule(key=keys)
    def restore(self, key: str) -> None:
        if key in self.gone:
            self.deleted.discard(key)
            self.withdrawn.discard(key)
        elif len(self.texts[key]) > 1:
            self.texts[key].pop()
            self.sources[key].pop()
        else:
            with pytest.raises(NotFoundError):
                self.ledger.restore(self.owner[key], key)
            return
        assert self.ledger.restore(self.owner[key], key).after == self.texts[key][-1]
        self.restored.add(key)

    @rule(known=st.booleans())
    def reread(self, known: bool) -> None:
        """Read again, with a bundle that knows the language of the turns or one that does not."""
        unproven = [key for key, (source, *more) in self.sources.items() if source[0] == "unproven" and not more]
        leaving = {key for key in unproven if key not in self.gone | self.restored}
        reading = self.ledger.reading
        assert reading.counts().unproven + reading.counts().language >= len(leaving)
        reading.mark_again()
        waiting = reading.waiting()
        for owner, ids in waiting.items():
            assert reading.replaceable(list(self.owner)) >= {key for key in leaving if self.owner[key] == owner}
            done = self.ledger.commit(owner, [], reread=ids, unread=() if known else ids)
            assert {op.memory_id for op in done} == {k for k in leaving if known and self.owner[k] == owner}
        self.withdrawn |= leaving if known else set()
        assert reading.counts().unproven == reading.counts().again == 0
        assert reading.waiting() == ({} if known else waiting)

    @rule(key=keys, text=TEXTS, event=st.sampled_from([Event.UPDATE, Event.DELETE, Event.NONE]))
    def meddle(self, key: str, text: str, event: Event) -> None:
        other = BEN if self.owner[key] == ANA else ANA
        with pytest.raises(NotFoundError):
            change(self.ledger, event, key, text, other)
        with pytest.raises(NotFoundError):
            self.ledger.restore(other, key)

    @invariant()
    def agrees(self) -> None:
        for scope in (ANA, BEN):
            mine = [key for key, owner in self.owner.items() if owner == scope]
            alive = {key: self.texts[key][-1] for key in mine if key not in self.gone}
            assert {m.id: m.text for m in self.ledger.memories(scope)} == alive
            everything = self.ledger.memories(scope, deleted=True)
            assert {m.id: (m.form, m.said) for m in everything} == {key: self.sources[key][-1] for key in mine}
            assert {m.id for m in everything if m.state is MemoryState.DELETED} == self.deleted & set(mine)
            assert {m.id for m in everything if m.state is MemoryState.WITHDRAWN} == self.withdrawn & set(mine)
            found = self.ledger.lexical(scope, "memory", "apple bread cheese ana ben", 100)
            assert sorted(found) == sorted(alive)
            said = self.ledger.lexical(scope, "turn", "apple bread cheese ana ben", 100)
            assert {t.scope for t in self.ledger.turns(said).values()} <= {scope}

    @invariant()
    def history_replays(self) -> None:
        for key, owner in self.owner.items():
            last = self.ledger.history(owner, key)[-1]
            assert last.after == (None if key in self.gone else get_memory(self.ledger, key, owner).text)


def test_ledger_matches_dict(new_place: Callable[[], str | Path]) -> None:
    steps = settings(max_examples=15, stateful_step_count=15, deadline=None)
    run_state_machine_as_test(lambda: LedgerMachine(new_place()), settings=steps)
