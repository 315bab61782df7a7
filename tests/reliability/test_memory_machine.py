"""State machine of threads, erasures and reopenings in any order."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from benchmarks.reliability.concurrency import Worker
from benchmarks.reliability.double import open_memory
from benchmarks.reliability.truth import Deed, broken

USERS = [f"user-0-{number}" for number in range(3)]


class MemoryMachine(RuleBasedStateMachine):
    """Compares a memory with the list of calls that were begun and acknowledged."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.memory = open_memory(Path(self.folder.name))
        self.deeds: list[Deed] = []
        self.crews = 0

    @rule(size=st.integers(1, 4), operations=st.integers(1, 4), seed=st.integers(0, 2**16))
    def work_at_once(self, size: int, operations: int, seed: int) -> None:
        self.crews += 1
        crew = [Worker(f"c{self.crews}w{number}", seed, operations) for number in range(size)]
        threads = [threading.Thread(target=worker.work, args=(self.memory,)) for worker in crew]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [worker.failed for worker in crew] == [[]] * size
        self.deeds += [deed for worker in crew for deed in worker.deeds]

    @rule(user=st.sampled_from(USERS))
    def forget(self, user: str) -> None:
        self.memory.forget(user_id=user)
        self.deeds.append({"verb": "forget", "user": user, "acknowledged": True})

    @rule()
    def reopen(self) -> None:
        self.memory.close()
        self.memory = open_memory(Path(self.folder.name))

    @invariant()
    def every_promise_holds(self) -> None:
        assert broken(self.memory, self.deeds, USERS) == []

    def teardown(self) -> None:
        self.memory.close()
        self.folder.cleanup()


TestMemoryMachine = pytest.mark.slow(MemoryMachine.TestCase)
TestMemoryMachine.settings = settings(max_examples=8, stateful_step_count=8, deadline=None)
