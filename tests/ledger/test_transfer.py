"""Tests of export and import between ledgers."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from support import ANA, BEN, add, change, get_memory, one_job, say, turn

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.ledger import Ledger
from langchain_memlora.types import Event, Scope, Span

AGENT = Scope("ana", "cook", "run 1")
COUNT = itertools.count()


def everything(ledger: Ledger, *users: Scope) -> list[object]:
    """Return all that callers can read of users."""
    seen: list[object] = []
    for user in users or (ANA, BEN):
        turns, memories = ledger.all_turns(user), ledger.memories(user, deleted=True)
        status = ledger.turn_status([t.id for t in turns])
        seen += [turns, memories, ledger.history(user), status, ledger.lexical(user, "window", "tea Porto cello", 99)]
    return [*seen, ledger.jobs("pending", "failed", "done")]


@pytest.fixture
def full(new_place: Callable[[], str | Path]) -> Iterator[Ledger]:
    """Two users, an agent, an update, a deletion, a restored memory and a job that waits."""
    ledger = Ledger(new_place())
    told = say(ledger, "I drink tea ☕\u2028and \ud7ff", metadata={"n": [1, {"x": None}]}, speaker="Ana")
    source = {"form": "said", "said": Span(0, 13, "What do you drink?")}
    tea = add(ledger, "drinks tea", told_by=told, metadata={"mood": "calm"}, probability=0.25, **source)
    change(ledger, Event.UPDATE, tea, "drinks green tea", told_by=say(ledger, "green tea, that is"), form="written")
    gone = add(ledger, "lives in Porto", told_by=say(ledger, "I live in Porto"), form="said", said=Span(0, 15))
    change(ledger, Event.DELETE, gone)
    back = add(ledger, "plays the cello", BEN, say(ledger, "I play the cello", BEN))
    change(ledger, Event.DELETE, back, scope=BEN)
    ledger.restore(BEN, back)
    add(ledger, "cooks", AGENT, say(ledger, "I cook", AGENT))
    ledger.append(ANA, [turn("and then?", "7", thread_id="t")], one_job)
    yield ledger
    ledger.close()


@pytest.fixture
def empty(new_place: Callable[[], str | Path]) -> Iterator[Ledger]:
    with Ledger(new_place()) as ledger:
        yield ledger


@pytest.fixture
def file(full: Ledger, tmp_path: Path) -> Path:
    full.export(tmp_path / "all.jsonl")
    return tmp_path / "all.jsonl"


def test_export_import_round_trip(full: Ledger, empty: Ledger, file: Path, tmp_path: Path) -> None:
    done = empty.import_(file)
    assert (done.turns, done.memories, done.jobs, done.skipped) == (6, 4, 1, 0)
    assert everything(empty) == everything(full)
    empty.export(tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == file.read_bytes()


def test_repeated_import_changes_nothing(full: Ledger, empty: Ledger, file: Path) -> None:
    empty.import_(file)
    before = everything(empty)
    done = empty.import_(file)
    assert (done.turns, done.memories, done.operations, done.jobs) == (0, 0, 0, 0)
    assert done.skipped > 0
    assert everything(empty) == before == everything(full)


def test_user_export_holds_one_user(full: Ledger, empty: Ledger, tmp_path: Path) -> None:
    full.export(tmp_path / "ben.jsonl", "ben")
    written = (tmp_path / "ben.jsonl").read_text()
    assert "cello" in written
    assert "tea" not in written
    empty.import_(tmp_path / "ben.jsonl")
    assert everything(empty, ANA)[:3] == [[], [], []]
    assert [m.text for m in empty.memories(BEN)] == ["plays the cello"]


def test_import_merges_into_used_ledger(full: Ledger, empty: Ledger, file: Path) -> None:
    own = add(empty, "has a dog", told_by=say(empty, "I have a dog"))
    same = say(empty, "I live in Porto")  # the same message, known under another id
    empty.import_(file)
    assert get_memory(empty, own).text == "has a dog"
    assert [m.text for m in empty.memories(ANA)] == ["has a dog", "drinks green tea", "cooks"]
    assert empty.turn_status([same.id])[same.id].withheld
    known = {m.id for m in full.memories(ANA, deleted=True)}
    assert [o.event for o in empty.history(ANA) if o.memory_id in known] == [o.event for o in full.history(ANA)]


def test_import_keeps_sources_and_what_restore_needs(empty: Ledger, file: Path) -> None:
    empty.import_(file)
    tea, porto, _ = empty.memories(ANA, deleted=True)
    assert (porto.form, porto.said) == ("said", Span(0, 15))
    assert (tea.form, tea.said) == ("written", None)
    empty.restore(ANA, tea.id)
    assert get_memory(empty, tea.id).said == Span(0, 13, "What do you drink?")


def test_import_drops_spans_into_other_texts(
    empty: Ledger, new_place: Callable[[], str | Path], tmp_path: Path
) -> None:
    source = {"form": "said", "said": Span(0, 6)}
    with Ledger(new_place()) as other:
        for text in ("I cook", "I sing"):
            add(other, text, told_by=say(other, text, message_id=text[-4:], thread_id="t"), **source)
        other.export(tmp_path / "other.jsonl")
    say(empty, "I ski a lot", message_id="sing", thread_id="t")
    empty.import_(tmp_path / "other.jsonl")
    assert [(m.text, m.said) for m in empty.memories(ANA)] == [("I cook", Span(0, 6)), ("I sing", None)]


@pytest.mark.parametrize(
    ("valid", "invalid"),
    [
        ('"form":"said"', '"form":"sung"'),
        ('"start":0', '"start":-1'),
        ('"start":0', '"start":"0"'),
        ('"asked":"', '"question":"'),
    ],
)
def test_invalid_sources_import_nothing(file: Path, empty: Ledger, valid: str, invalid: str) -> None:
    *lines, footer = file.read_bytes().splitlines(keepends=True)
    lines = [lines[0], *(line.replace(valid.encode(), invalid.encode()) for line in lines[1:])]
    whole = json.loads(footer) | {"sha256": hashlib.sha256(b"".join(lines[1:])).hexdigest()}
    file.write_bytes(b"".join(lines) + json.dumps(whole).encode())
    with pytest.raises(InvalidInputError, match=r"Line \d+ holds an invalid"):
        empty.import_(file)
    assert not any(empty.counts().values())


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(share=st.floats(0, 0.999))
def test_truncated_file_names_line(file: Path, empty: Ledger, share: float) -> None:
    whole = file.read_bytes()
    cut = file.with_name(f"cut-{next(COUNT)}.jsonl")
    cut.write_bytes(whole[: int(len(whole) * share)])
    lines = cut.read_bytes().split(b"\n")
    whole_lines = whole.split(b"\n")[: len(lines)] == lines  # all it has is whole, and the next line is not there
    line = len(lines) + whole_lines
    with pytest.raises(InvalidInputError, match=rf"at line {line}; nothing was imported"):
        empty.import_(cut)
    assert not any(empty.counts().values())


def test_missing_final_newline_is_accepted(file: Path, empty: Ledger) -> None:
    file.write_bytes(file.read_bytes()[:-1])
    assert empty.import_(file).turns == 6


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(place=st.floats(0.1, 0.9))
def test_altered_file_imports_nothing(file: Path, empty: Ledger, place: float) -> None:
    bad = bytearray(file.read_bytes())
    bad[int(len(bad) * place)] ^= 1
    changed = file.with_name(f"changed-{next(COUNT)}.jsonl")
    changed.write_bytes(bad)
    with pytest.raises(InvalidInputError):
        empty.import_(changed)
    assert not any(empty.counts().values())


@pytest.mark.parametrize(
    "content", [b"", b"{}\n", b'{"record":"memlora-export","version":99}\n', b"\xff\xfe", b"[1]\n"]
)
def test_invalid_export_file_raises(content: bytes, empty: Ledger, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InvalidInputError):
        empty.import_(tmp_path / "x")
    with pytest.raises(InvalidInputError, match="can't be read"):
        empty.import_(tmp_path / "nowhere")


def test_export_does_not_overwrite(full: Ledger, file: Path, tmp_path: Path) -> None:
    before = file.read_bytes()
    with pytest.raises(InvalidInputError, match="exists and is not overwritten"):
        full.export(file)
    with pytest.raises(InvalidInputError, match="can't be written"):
        full.export(tmp_path / "no" / "such" / "folder")
    assert file.read_bytes() == before


def test_repair_rebuilds_full_text_search(full: Ledger) -> None:
    assert full.repair() == 0
    before = everything(full)
    with full.database.writing() as connection:
        connection.execute(
            text("DELETE FROM lexical WHERE rowid IN (SELECT rowid FROM lexical ORDER BY rowid LIMIT 3)")
        )
        last = "(SELECT max(rowid) FROM lexical)"
        connection.execute(text(f"UPDATE lexical SET item_id = 'nonsense' WHERE rowid = {last}"))
    assert everything(full) != before
    assert full.repair() == 5  # three missing; one that was wrong and is right now
    assert everything(full) == before
