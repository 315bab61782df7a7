"""Deletion of information: the one place that decides what a deletion withholds. Only called inside a write transaction.

A deletion is of a memory, or of a turn by its id. It withholds the turns behind it, the turn that asks for it, and whatever
repeats the deleted detail (`details`) and its scope can read, whoever said it: turns, and memories, which are deleted too. So
a deletion of the user reaches all agents and runs, and one of an agent that agent's and the user's own.
Memories lose what they quote of withheld turns. `withheld` records each item with its cause; restoring the cause brings all
of it back.

What the user says after a request to forget is news, and is kept. `later` applies deletions to messages that come after them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Connection, select

from langchain_memlora.errors import NotFoundError
from langchain_memlora.ledger import memories as changes
from langchain_memlora.ledger.details import Detail
from langchain_memlora.ledger.lineage import details_of
from langchain_memlora.ledger.memories import cause_of
from langchain_memlora.ledger.new_operation import NewOperation
from langchain_memlora.ledger.quoted import quoting_withheld, withheld_quoted
from langchain_memlora.ledger.rows import MEMORY, TURN, readable_by, select_turns, to_turn
from langchain_memlora.ledger.schema import evidence, memories, operations, turns, withheld
from langchain_memlora.ledger.turns import get_turns, rewrite_entries
from langchain_memlora.ledger.withheld import is_withheld, note, receipts, take_out, withheld_among
from langchain_memlora.types import FORGET_PREFIX, Event, MemoryState, Operation, Scope, Turn

REPEATS, WITHHOLD = "repeats", "withhold"
"""Makers of operations: on a memory that repeats a deleted detail, and on one that quotes a withheld turn."""
_ASKS = re.compile(
    r"\b(?:forget|forgot|delete|erase|remove|scrap|wipe|(?:don['’]?t|do not|stop) (?:remember|keep|stor|sav))",
    re.IGNORECASE,
)
_QUESTION = re.compile(r"[^.!?\n]*\?+")


@dataclass(frozen=True, slots=True)
class _Cause:
    """A deletion.

    Attributes:
        id: Of the memory or turn that was deleted.
        request: The turn that asks for it; `None` if a caller does.
        in_vain: The update expert found no memory that the request is about. So only those that hold a value of it are.
    """

    id: str
    details: tuple[Detail, ...]
    request: Turn | None = None
    in_vain: bool = False

    def is_in(self, text: str, *, by_value: bool = False) -> bool:
        return any(detail.is_in(text, by_value=by_value) for detail in self.details)

    def is_before(self, turn: Turn) -> bool:
        """Return whether the user said something after the request, and not to repeat it."""
        if self.request is None or turn.role != "user" or asks_to_forget(turn):
            return False
        return (turn.observed_at, turn.seq) > (self.request.observed_at, self.request.seq)


def asks_to_forget(turn: Turn) -> bool:
    """Return whether a message may ask to forget something."""
    return bool(_ASKS.search(turn.words))


def apply(connection: Connection, scope: Scope, batch: Sequence[NewOperation]) -> list[Operation]:
    """Apply operations, and withhold what they delete.

    Raises:
        NotFoundError: An operation names a memory that is deleted or not in this scope.
    """
    done = changes.apply(connection, scope, batch)
    quoting = [op.memory_id for op in done if op.memory_id and op.event in {Event.ADD, Event.UPDATE}]
    causes = _causes(connection, done)
    done += _withdraw_questions(connection, quoting, ())
    done += _withhold(connection, scope, causes)
    return _with_receipts(connection, done)


def delete_all(connection: Connection, scope: Scope) -> list[Operation]:
    """Delete all memories that a scope can read, and withhold all its turns.

    Those that are behind no memory come back with the last of the memories or, if there are none, one by one. What other
    agents or runs hold is not touched, since it is theirs also where it is the same.
    """
    done: list[Operation] = []
    for memory in changes.get(connection, readable_by(scope)):
        done += changes.apply(connection, memory.scope, [NewOperation(Event.DELETE, memory.id, by="delete_all")])
        _note_sources(connection, memory.id, None)
    left = [turn.id for turn in _shown_turns(connection, readable_by(scope))]
    if done:
        note(connection, done[-1].memory_id or "", TURN, dict.fromkeys(left, "deleted"))
        rewrite_entries(connection, left)
    else:
        done = _delete_turns(connection, get_turns(connection, left), "delete_all")
    return _with_receipts(connection, done)


def delete_turns(connection: Connection, scope: Scope, ids: Sequence[str]) -> list[Operation]:
    """Delete turns by id, with the memories that rest on nothing else.

    Raises:
        NotFoundError: The scope can read no turn with one of these ids.
    """
    found = get_turns(connection, ids, readable_by(scope) & ~is_withheld())
    if missing := [key for key in ids if key not in found]:
        msg = f"{scope.user_id!r} has no turn {missing[0]!r}, or not in this scope. Pass ids from the `turn_ids` of memories."
        raise NotFoundError(msg)
    done = _delete_turns(connection, found, "delete_turns")
    details: dict[str, tuple[Detail, ...]] = {
        key: (Detail(_QUESTION.sub("", turn.words), filter(None, [turn.speaker])),) for key, turn in found.items()
    }
    links = select(evidence.c.memory_id).where(evidence.c.turn_id.in_(found), evidence.c.version == memories.c.version)
    resting = memories.c.id.in_(links.join(memories, memories.c.id == evidence.c.memory_id))
    for memory in changes.get(connection, resting):
        if withheld_among(connection, memory.turn_ids) == {*memory.turn_ids}:
            cause = next(key for key in memory.turn_ids if key in found)
            done += changes.apply(connection, memory.scope, [NewOperation(Event.DELETE, memory.id, by="delete_turns")])
            note(connection, cause, MEMORY, {memory.id: "evidence"})
            details[cause] += details_of(connection, [memory.id])[memory.id]
    done += _withhold(connection, scope, [_Cause(key, found) for key, found in details.items()])
    return _with_receipts(connection, done)


def restore(connection: Connection, scope: Scope, key: str) -> Operation:
    """Undo the last change to a memory, or the deletion of a turn, with all that was withheld because of it.

    Raises:
        NotFoundError: There is no such memory, or nothing to undo.
    """
    by_itself = (withheld.c.cause == key) & (withheld.c.kind == TURN) & (withheld.c.item_id == key)
    if connection.execute(select(withheld.c.seq).where(by_itself)).first():
        if key not in get_turns(connection, [key], readable_by(scope)):
            msg = (
                f"No turn {key!r} in the scope of {scope.user_id!r}. The operation of its deletion names its `turn_id`."
            )
            raise NotFoundError(msg)
        (done,) = changes.apply(connection, scope, [NewOperation(Event.ADD, None, turn_id=key, by="restore")])
        _bring_back(connection, key)
        return done
    deleted = memories.c.state == MemoryState.DELETED
    was_deleted = connection.execute(select(memories.c.id).where(memories.c.id == key, deleted)).first()
    done = changes.restore(connection, scope, key)
    if was_deleted:
        take_out(connection, (withheld.c.kind == MEMORY) & (withheld.c.item_id == key))
        _bring_back(connection, key)
    return done


def _causes(connection: Connection, done: Sequence[Operation]) -> list[_Cause]:
    """Return the deletions among operations, also those that a request to forget asks for in vain: others may have said it."""
    deleted = [op for op in done if op.event is Event.DELETE and op.memory_id]
    vain = [op for op in done if op.event is Event.NONE and not op.memory_id and op.fact.startswith(FORGET_PREFIX)]
    requests = get_turns(connection, [op.turn_id for op in (*deleted, *vain) if op.turn_id])
    details = details_of(connection, [op.memory_id for op in deleted if op.memory_id])
    causes = [_Cause(str(op.memory_id), details[str(op.memory_id)], requests.get(op.turn_id or "")) for op in deleted]
    for op in vain:
        request = requests.get(op.turn_id or "")
        if request and asks_to_forget(request):
            detail = Detail(op.fact.removeprefix(FORGET_PREFIX), filter(None, [request.speaker]), vague=False)
            causes.append(_Cause(request.id, (detail,), request, in_vain=True))
    return causes


def _withhold(connection: Connection, scope: Scope, causes: Sequence[_Cause]) -> list[Operation]:
    """Withhold what is behind deletions and what repeats them; return the operations on memories that this makes."""
    if not causes:
        return []
    reached = readable_by(scope)
    for cause in causes:
        if not cause.in_vain:
            _note_sources(connection, cause.id, cause.request)
    news = _note_repeating_turns(connection, causes, _shown_turns(connection, reached))
    rows = select(withheld.c.item_id).where(withheld.c.kind == TURN, withheld.c.cause.in_([one.id for one in causes]))
    hidden = list(connection.execute(rows).scalars())
    rewrite_entries(connection, hidden)
    done = list(_withdraw_questions(connection, (), hidden))
    for memory in changes.get(connection, reached):
        for cause in causes:
            if cause.is_in(memory.text, by_value=cause.in_vain) and not news[cause.id].intersection(memory.turn_ids):
                done += changes.apply(connection, memory.scope, [NewOperation(Event.DELETE, memory.id, by=REPEATS)])
                note(connection, cause.id, MEMORY, {memory.id: "repeats"})
                alone = _supporting_nothing(connection, memory.turn_ids)
                note(connection, cause.id, TURN, dict.fromkeys(alone, "evidence"))
                rewrite_entries(connection, alone)
                done += _withdraw_questions(connection, (), alone)
                break
    return done


def _note_sources(connection: Connection, memory_id: str, request: Turn | None) -> None:
    """Withhold the turns behind all texts of a memory, and the request to forget it."""
    behind = select(evidence.c.turn_id).where(evidence.c.memory_id == memory_id).distinct()
    reasons = dict.fromkeys(connection.execute(behind).scalars(), "evidence")
    note(connection, memory_id, TURN, reasons | ({request.id: "request"} if request else {}))


def _note_repeating_turns(
    connection: Connection, causes: Sequence[_Cause], shown: Iterable[Turn]
) -> dict[str, set[str]]:
    """Withhold the turns that repeat deleted details; return those that say them again as news, by cause."""
    news: dict[str, set[str]] = {cause.id: set() for cause in causes}
    repeating: dict[str, dict[str, str]] = {cause.id: {} for cause in causes}
    for turn in shown:
        for cause in causes:
            if cause.is_in(turn.words):
                if cause.is_before(turn):
                    news[cause.id].add(turn.id)
                elif turn.role == "user" or not news[cause.id]:
                    repeating[cause.id][turn.id] = "repeats"
    for cause in causes:
        found = repeating[cause.id]
        if cause.request and (found or not cause.in_vain):
            found[cause.request.id] = "request"
        note(connection, cause.id, TURN, found)
    return news


def _withdraw_questions(connection: Connection, quoting: Sequence[str], hidden: Sequence[str]) -> Iterator[Operation]:
    """Remove what memories quote of messages that are withheld now."""
    for memory in [*quoting_withheld(connection, quoting, hidden)] if quoting or hidden else []:
        quoted = withheld.c.item_id.in_(withheld_quoted(connection, memory))
        for cause in connection.execute(select(withheld.c.cause).where(quoted).distinct()).scalars().all():
            note(connection, cause, MEMORY, {memory.id: "quotes"})
        yield from changes.strip_question(connection, memory, WITHHOLD)


def _bring_back(connection: Connection, cause: str) -> None:
    """Bring back what only this deletion withholds, the last first."""
    rows = take_out(connection, withheld.c.cause == cause)
    rewrite_entries(connection, [row.item_id for row in rows if row.kind == TURN])
    for row in reversed([row for row in rows if row.kind == MEMORY]):
        other = select(withheld.c.seq).where(withheld.c.kind == MEMORY, withheld.c.item_id == row.item_id)
        if connection.execute(other).first():
            continue
        for memory in changes.get(connection, memories.c.id == row.item_id, deleted=True):
            gone = memory.state is MemoryState.DELETED
            if (not gone and _is_withdrawn(connection, memory.id)) if row.reason == "quotes" else gone:
                changes.restore(connection, memory.scope, memory.id)


def _is_withdrawn(connection: Connection, memory_id: str) -> bool:
    """Return whether the last change to a memory's text was the removal of what it quotes."""
    texts = select(operations.c.made_by).where(operations.c.memory_id == memory_id, operations.c.event == Event.UPDATE)
    last: str | None = connection.execute(texts.order_by(operations.c.seq.desc()).limit(1)).scalar()
    return last == WITHHOLD


def _delete_turns(connection: Connection, found: dict[str, Turn], by: str) -> list[Operation]:
    done = []
    for key, turn in sorted(found.items(), key=lambda item: item[1].seq):
        note(connection, key, TURN, {key: "deleted"})
        done += changes.apply(connection, turn.scope, [NewOperation(Event.DELETE, None, turn_id=key, by=by)])
    rewrite_entries(connection, found)
    return done


def _supporting_nothing(connection: Connection, turn_ids: Sequence[str]) -> list[str]:
    """Return those of some turns that are shown and support no active memory."""
    active = select(evidence.c.turn_id).join(memories, memories.c.id == evidence.c.memory_id)
    active = active.where(memories.c.state == MemoryState.ACTIVE, evidence.c.turn_id.in_(turn_ids))
    needed = {*connection.execute(active).scalars(), *withheld_among(connection, turn_ids)}
    return [key for key in turn_ids if key not in needed]


def _shown_turns(connection: Connection, condition: ColumnElement[bool]) -> list[Turn]:
    query = select_turns().where(condition, ~is_withheld()).order_by(turns.c.seq)
    return [to_turn(row) for row in connection.execute(query)]


def _with_receipts(connection: Connection, done: Sequence[Operation]) -> list[Operation]:
    found = receipts(connection, [key for op in done if (key := cause_of(op)) and op.event is not Event.ADD])
    deleting = [op.event is Event.DELETE or (op.event is Event.NONE and not op.memory_id) for op in done]
    return [
        replace(op, withheld=found.get(cause_of(op) or "", ())) if deletes else op
        for op, deletes in zip(done, deleting, strict=True)
    ]
