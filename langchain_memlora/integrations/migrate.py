"""Imports memories from mem0: reads its history database and its Chroma collection, and writes to neither."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.intake.messages import check_text, to_scope, to_turns
from langchain_memlora.ledger import NewOperation
from langchain_memlora.types import Event, Scope, Turn

if TYPE_CHECKING:
    from langchain_memlora.memory.protocol import MemoryLike

HISTORY, CHROMA, COLLECTION = "history.db", "chroma.sqlite3", "mem0"
PAGE = 1000
_OWN = frozenset({"data", "hash", "created_at", "updated_at", "user_id", "agent_id", "run_id", "text_lemmatized"})


@dataclass(frozen=True, slots=True)
class Version:
    """One text of a memory, and when it was written.

    Attributes:
        at: The time mem0 recorded, or `None`.
    """

    text: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Mem0Memory:
    """One memory that mem0 still holds.

    Attributes:
        id: Mem0's id.
        versions: Oldest first; the last is the current text.
        user_id: The owner; `None` if the memory is only in the history, which records no users.
        metadata: The caller's metadata in mem0.
    """

    id: str
    versions: tuple[Version, ...]
    user_id: str | None = None
    agent_id: str | None = None
    run_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Migration:
    """The outcome of a migration.

    Attributes:
        memories: Number of memories that are new here.
        updated: Number of known memories with a newer text in mem0.
        unchanged: Number of memories imported before.
        others: Number of memories of other mem0 users, which were left out.
        unreadable: Reasons why memories could not be imported, one each.
    """

    memories: int
    updated: int
    unchanged: int
    others: int
    unreadable: tuple[str, ...] = ()


def migrate_mem0(
    memory: MemoryLike,
    path: str | Path,
    *,
    user_id: str,
    mem0_user: str | None = None,
    collection: str = COLLECTION,
    single_user: bool = False,
) -> Migration:
    """Import one user's memories from mem0, with their earlier texts, dates, agents, runs and metadata.

    No model runs: facts are kept word for word, each in a thread of its own, and mem0's earlier texts become their
    history. Memories that mem0 deleted are not imported. May be repeated: known memories are skipped, and what mem0
    changed since then becomes an UPDATE. Each memory's metadata has mem0's id as `mem0_id`.

    Args:
        path: A folder that holds `history.db`, a Chroma folder, or both (also one folder deeper); or a `history.db`.
        user_id: The owner of the imported memories.
        mem0_user: Mem0's id of this user, if it differs.
        collection: The Chroma collection that mem0 filled.
        single_user: All memories in the history are this user's. Needed without a Chroma collection, since mem0's history
            does not record users.

    Raises:
        MissingUserError: `user_id` is not a usable id.
        InvalidInputError: `path` holds no store of mem0, it can't be read, or it holds no memory of this user.

    Example:
        ```python
        from pathlib import Path

        from langchain_memlora import MemLoRAMemory
        from langchain_memlora.integrations.migrate import migrate_mem0

        with MemLoRAMemory(path="/tmp/memlora-example") as memory:
            if Path("~/.mem0").expanduser().exists():
                print(migrate_mem0(memory, "~/.mem0", user_id="ana"))
        ```
    """
    to_scope(user_id)
    wanted = mem0_user or user_id
    history, chroma = _find(Path(path).expanduser())
    if not chroma and not single_user:
        msg = (
            f"{history} does not record the users of its memories, and there is no Chroma folder beside it. Pass the folder "
            "that holds both, or state that all of them are this user's: single_user=True, --single-user."
        )
        raise InvalidInputError(msg)
    found = _read(history, chroma, collection)
    mine = [each for each in found if each.user_id == wanted] if chroma else found
    if not mine:
        users = ", ".join(sorted({repr(each.user_id) for each in found if each.user_id})) or "no user"
        msg = f"{path} has no memories of {wanted!r}, but of {users}. Pass mem0's user: mem0_user=..., --mem0-user."
        raise InvalidInputError(msg)
    counts = {"memories": 0, "updated": 0, "unchanged": 0}
    unreadable = []
    for each in mine:
        try:
            counts[_write(memory, each, to_scope(user_id, each.agent_id, each.run_id))] += 1
        except InvalidInputError as error:
            unreadable.append(str(error))
    memory.services.index().catch_up()
    return Migration(**counts, others=len(found) - len(mine), unreadable=tuple(unreadable))


def read_mem0(path: str | Path, *, collection: str = COLLECTION) -> list[Mem0Memory]:
    """Read mem0's current memories, each with its earlier texts.

    Raises:
        InvalidInputError: `path` holds no store of mem0, or it can't be read.
    """
    return _read(*_find(Path(path).expanduser()), collection)


def _read(history: Path | None, chroma: Path | None, collection: str) -> list[Mem0Memory]:
    earlier = _read_history(history) if history else {}
    if chroma:
        return [_joined(each, payload, earlier.get(each, ())) for each, payload in _read_chroma(chroma, collection)]
    return [Mem0Memory(each, tuple(versions)) for each, versions in earlier.items() if versions]


def _find(path: Path) -> tuple[Path | None, Path | None]:
    """Return the history database, and the folder of a Chroma store."""
    if path.is_file():
        beside = path.with_name(CHROMA)
        return (None, path.parent) if path.name == CHROMA else (path, path.parent if beside.exists() else None)
    history, chroma = (sorted([*path.glob(name), *path.glob(f"*/{name}")]) for name in (HISTORY, CHROMA))
    if not history and not chroma:
        msg = f"{path} holds neither {HISTORY} nor a Chroma folder ({CHROMA}). Pass the folder that mem0 wrote to."
        raise InvalidInputError(msg)
    if len(history) > 1 or len(chroma) > 1:
        several = ", ".join(map(str, history if len(history) > 1 else chroma))
        msg = f"{path} holds more than one store of mem0 ({several}). Pass the folder of one of them."
        raise InvalidInputError(msg)
    return history[0] if history else None, chroma[0].parent if chroma else None


def _read_history(path: Path) -> dict[str, list[Version]]:
    """Return texts by memory, oldest first; none for a deleted memory."""
    # In the order of writing: a deletion has no date of its own.
    query = "SELECT memory_id, new_memory, event, created_at, updated_at, is_deleted FROM history ORDER BY rowid"
    found: dict[str, list[Version]] = {}
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute(query).fetchall()
    except sqlite3.Error as error:
        msg = f"{path} can't be read as a history of mem0 ({error}). Open it once with mem0 1.0 or newer, which updates it."
        raise InvalidInputError(msg) from error
    for memory_id, text, event, created, updated, deleted in rows:
        versions = found.setdefault(memory_id, [])
        if event == Event.DELETE or deleted:
            versions.clear()
        elif text and (not versions or versions[-1].text != text):
            versions.append(Version(text, _moment(updated or created)))
    return found


def _read_chroma(folder: Path, collection: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield ids and payloads. Opening a Chroma folder may rewrite it, so a copy is opened."""
    import chromadb
    from chromadb.config import Settings
    from chromadb.errors import ChromaError

    with tempfile.TemporaryDirectory() as scratch:
        copy = shutil.copytree(folder, Path(scratch) / "chroma")
        try:
            client: Any = chromadb.PersistentClient(str(copy), Settings(anonymized_telemetry=False))
            names = sorted(each.name for each in client.list_collections())
            if collection not in names:
                msg = f"{folder} has no collection {collection!r}. It has {', '.join(names) or 'none'}; pass --collection."
                raise InvalidInputError(msg)
            store = client.get_collection(collection)
            for start in range(0, store.count(), PAGE):
                page = store.get(limit=PAGE, offset=start, include=["metadatas"])
                yield from zip(page["ids"], page["metadatas"] or (), strict=True)
            client.close()
        except ChromaError as error:
            msg = f"{folder} can't be read as a Chroma folder ({error}). Close programs that use it, or pass a copy."
            raise InvalidInputError(msg) from error


def _joined(memory_id: str, payload: Mapping[str, Any], earlier: Sequence[Version]) -> Mem0Memory:
    """Join a memory and its history. Mem0 searches Chroma, so its text there is the current one, whatever the history has."""
    text = str(payload.get("data") or "")
    versions = list(earlier)
    if not versions or versions[-1].text != text:
        versions.append(Version(text, _moment(payload.get("updated_at") or payload.get("created_at"))))
    names = {name: str(payload[name]) if payload.get(name) else None for name in ("user_id", "agent_id", "run_id")}
    return Mem0Memory(memory_id, tuple(versions), **names, metadata={k: v for k, v in payload.items() if k not in _OWN})


def _write(memory: MemoryLike, found: Mem0Memory, scope: Scope) -> str:
    """Store the versions that are new here, in one transaction, and return the count they belong to."""
    own_id = uuid.uuid5(uuid.NAMESPACE_URL, repr(("mem0", scope, found.id))).hex
    known = bool(memory.ledger.memories(scope, ids=[own_id], deleted=True))
    metadata = {**found.metadata, "source": "mem0", "mem0_id": found.id}

    def changes(stored: Sequence[Turn]) -> list[NewOperation]:
        return [
            NewOperation(
                Event.UPDATE if known or number else Event.ADD,
                own_id,
                turn.text.strip(),
                turn_id=turn.id,
                observed_at=turn.observed_at,
                by="migrate",
                metadata=metadata,
            )
            for number, turn in enumerate(stored)
        ]

    check_text(found.versions[-1].text, f"memory {found.id}")
    turns = [turn for version in found.versions for turn in _turns(version, found.id, scope, metadata)]
    operations = memory.ledger.recording.record(scope, turns, derive=changes).operations
    return ("updated" if known else "memories") if operations else "unchanged"


def _turns(version: Version, memory_id: str, scope: Scope, metadata: Mapping[str, Any]) -> list[Turn]:
    message = {"role": "user", "content": version.text, "id": f"{memory_id} {version.at}"}
    thread = f"mem0 {memory_id}"
    return to_turns(message, scope, observed_at=version.at, thread_id=thread, metadata=metadata).turns


def _moment(written: Any) -> datetime | None:
    """Parse a date of mem0: ISO 8601; its oldest versions write UTC without a zone."""
    try:
        moment = datetime.fromisoformat(str(written))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
