"""Recording of what a call of `add` says: new messages are stored, known ones skipped, and edited ones replaced.

Every message ends in exactly one of these, and the record names it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, select

from langchain_memlora.ledger import deletion, identity, later
from langchain_memlora.ledger.database import Database
from langchain_memlora.ledger.edits import edit
from langchain_memlora.ledger.new_operation import NewOperation
from langchain_memlora.ledger.rows import chunks, references, scope_id
from langchain_memlora.ledger.schema import jobs as jobs_table
from langchain_memlora.ledger.turns import Cut, Job, insert_jobs, insert_new_turns, last_turns
from langchain_memlora.ledger.withheld import withheld_among
from langchain_memlora.types import Operation, Scope, Skipped, Turn

Derive = Callable[[Sequence[Turn]], Sequence[NewOperation]]


@dataclass(slots=True)
class Recorded:
    """The outcome of a call.

    Attributes:
        turns: Those that were new.
        edited: Those whose text was replaced.
        jobs: What is to be read now, edited turns first.
        operations: What was taken back of the old text of edited turns, then what was derived from the messages.
        skipped: The messages that were not stored.
        reused: Ids of messages without a thread that are in several conversations.
        pictures: References to pictures that edited turns no longer show.
    """

    turns: list[Turn] = field(default_factory=list)
    edited: list[Turn] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)


class Recording:
    """Records messages in a ledger. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(
        self,
        scope: Scope,
        given: Sequence[Turn],
        *,
        cut: Cut = lambda new, before: [],
        context_turns: int = 2,
        derive: Derive | None = None,
    ) -> Recorded:
        """Store the new messages of one thread, replace edited ones, and skip known ones.

        Args:
            cut: Takes new or edited turns and those before them; returns (context, turns) for each job.
            context_turns: Maximum number of earlier turns that `cut` receives; at least 1 is read, for the two-turn window.
                Withheld turns among them are left out.
            derive: Makes operations of the turns that are new or edited.
        """
        done = Recorded()
        with self._database.writing() as connection:
            owner = scope_id(connection, scope, create=True)
            turns = [replace(turn, scope=scope) for turn in given]
            for thread, part in identity.conversations(connection, owner, turns):
                _record(connection, owner, thread, part, cut, context_turns, done)
            changed = [*done.edited, *done.turns]
            later.withhold_repeating(connection, scope, changed)
            if derive and changed:
                done.operations += deletion.apply(connection, scope, derive(changed))
        return done


def _record(
    connection: Connection,
    owner: int,
    thread: str,
    given: Sequence[Turn],
    cut: Cut,
    context_turns: int,
    done: Recorded,
) -> None:
    rows = identity.known_rows(connection, owner, [thread], [turn.message_id for turn in given]).get(thread, {})
    new: list[Turn] = []
    for turn in _last_of_each(given, done):
        row = rows.get(turn.message_id)
        if row is not None and identity.is_same(row, turn):
            done.skipped.append(Skipped(turn.message_id, "known"))
        elif row is not None:
            edited, jobs, taken_back = edit(connection, owner, row.id, turn, cut, context_turns)
            done.edited.append(edited)
            done.jobs += jobs
            done.operations += taken_back
            done.pictures += [picture for picture in references(row.images) if picture not in turn.images]
        elif turn.text.strip() or turn.images:
            new.append(replace(turn, thread_id=thread))
        else:
            done.skipped.append(Skipped(turn.message_id, "empty"))
    done.jobs = _current(connection, done.jobs)
    if not new:
        return
    if new[0].thread_id != given[0].thread_id:
        done.reused += [turn.message_id for turn in new if not identity.is_unique(turn.message_id)]
    recent = last_turns(connection, owner, thread, max(context_turns, 1))
    hidden = withheld_among(connection, [turn.id for turn in recent])
    before = [turn for turn in recent if turn.id not in hidden]
    stored = insert_new_turns(connection, owner, new, recent[-1] if recent and recent[-1].id not in hidden else None)
    done.turns += stored
    done.jobs += insert_jobs(connection, owner, stored[0].scope, cut(stored, before))


def _last_of_each(given: Sequence[Turn], done: Recorded) -> list[Turn]:
    """Return the last message of each id, in the place of the first."""
    last: dict[str, Turn] = {}
    for turn in given:
        if earlier := last.get(turn.message_id):
            done.skipped.append(Skipped(turn.message_id, "known" if earlier == turn else "edited"))
        last[turn.message_id] = turn
    return list(last.values())


def _current(connection: Connection, jobs: Sequence[Job]) -> list[Job]:
    """Return jobs without those that a later edit of the same call has given another id."""
    parts = chunks([job.id for job in jobs])
    there: set[str] = set()
    for part in parts:
        there.update(connection.execute(select(jobs_table.c.id).where(jobs_table.c.id.in_(part))).scalars())
    return [job for job in jobs if job.id in there]
