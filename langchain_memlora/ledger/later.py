"""The effect of deletions on messages and facts that come after them. Only called inside a write transaction.

The user's own words are news, and are kept. An assistant's message that repeats a deleted detail is withheld as it is stored,
unless the user has said it again since; so is a later request to forget it. Facts that were read from a turn before it was
withheld, or that repeat a deleted detail which their own turn does not say, are not stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from langchain_memlora.ledger.deletion import asks_to_forget
from langchain_memlora.ledger.details import Detail
from langchain_memlora.ledger.lineage import standing_details
from langchain_memlora.ledger.new_operation import NewOperation
from langchain_memlora.ledger.rows import TURN, select_turns, to_turn
from langchain_memlora.ledger.schema import scopes, turns, withheld
from langchain_memlora.ledger.turns import get_turns, rewrite_entries
from langchain_memlora.ledger.withheld import is_withheld, note, take_out, withheld_among
from langchain_memlora.types import Event, Scope, Turn


def withhold_repeating(connection: Connection, scope: Scope, stored: Sequence[Turn]) -> None:
    """Withhold those of some new turns that repeat what was deleted before they were stored."""
    suspects = [turn for turn in stored if turn.role != "user" or asks_to_forget(turn)]
    causes = standing_details(connection, scope) if suspects else {}
    found: dict[str, dict[str, str]] = {}
    for turn in suspects:
        for key, details in causes.items():
            if any(detail.is_in(turn.words) for detail in details):
                asks = turn.role == "user"
                if asks or not _said_again(connection, scope.user_id, turn, details):
                    found.setdefault(key, {})[turn.id] = "request" if asks else "repeats"
    for key, items in found.items():
        note(connection, key, TURN, items)
        rewrite_entries(connection, items)


def show_edited(connection: Connection, turn: Turn) -> None:
    """Show a withheld turn again whose new text repeats nothing that was deleted."""
    if withheld_among(connection, [turn.id]):
        causes = standing_details(connection, turn.scope)
        if not any(detail.is_in(turn.words) for details in causes.values() for detail in details):
            take_out(connection, (withheld.c.kind == TURN) & (withheld.c.item_id == turn.id))


def without_deleted(connection: Connection, scope: Scope, batch: Sequence[NewOperation]) -> list[NewOperation]:
    """Return operations without those that an expert read from what has been deleted since.

    Where a later one of them changes a memory that is not added now, it adds its own text.
    """
    read = [op.turn_id for op in batch if op.turn_id and _is_reading(op)]
    hidden, sources = withheld_among(connection, read), get_turns(connection, read)
    causes = standing_details(connection, scope) if read else {}
    kept: list[NewOperation] = []
    missing: set[str | None] = set()
    for op in batch:
        words = sources[op.turn_id].words if op.turn_id in sources else ""
        if _is_reading(op) and (op.turn_id in hidden or _brings_back(op, words, causes)):
            missing |= {op.memory_id} if op.event is Event.ADD else set()
        elif op.memory_id not in missing:
            kept.append(op)
        elif op.event is Event.UPDATE:
            kept.append(replace(op, event=Event.ADD))
            missing.discard(op.memory_id)
        elif op.event is not Event.ADD:
            kept.append(replace(op, event=Event.NONE, memory_id=None))
    return kept


def _is_reading(op: NewOperation) -> bool:
    return op.by == "expert" and op.event in {Event.ADD, Event.UPDATE}


def _brings_back(op: NewOperation, words: str, causes: Mapping[str, Sequence[Detail]]) -> bool:
    """Return whether a fact repeats a deleted detail that its turn does not say. Own words are of the turn by nature."""
    hits = (detail for details in causes.values() for detail in details if detail.is_in(op.text))
    return op.form != "said" and any(not detail.is_in(words) for detail in hits)


def _said_again(connection: Connection, user_id: str, turn: Turn, details: Sequence[Detail]) -> bool:
    """Return whether the user has said a deleted detail again before a turn."""
    said = (scopes.c.user_id == user_id) & (turns.c.role == "user") & (turns.c.seq < turn.seq) & ~is_withheld()
    rows = connection.execute(select_turns().where(said))
    return any(detail.is_in(one.words) for one in map(to_turn, rows) for detail in details)
