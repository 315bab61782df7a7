"""The ledger's tables (SQLAlchemy Core), the same on SQLite and PostgreSQL. `lexical` creates the full-text table.

`changes` numbers everything an index must know about; an index that has applied number n is up to date when n is the last.
`memories.version` counts the texts a memory has had; `evidence` links each of them to the turns that support it, so a link
whose version differs from the memory's is superseded. Version 0 links a memory that was split off to the other turns of
the memory it was a part of, which are withheld if it is deleted. `withheld` lists the turns and memories that a deletion
withholds; `cause` is the id of the memory or turn that was deleted. `turns.images` holds references to pictures; once
captioned, each is an object of `ref` and `caption`. `turns.unread` says why a turn is still to be read for facts. `form` and
`said` describe the current text of a memory, and the one an operation set; `said` is a `Span`. `seq` numbers rows in the order
they were written.
"""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

metadata = MetaData()
UTC_OFFSET = "+00:00"
"""The offset of speakers that older versions stored without one."""
Seq = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows only if the type is INTEGER


class Words(TypeDecorator[str]):
    """Text of people and models, kept byte for byte. PostgreSQL can't hold U+0000, so it is escaped there."""

    impl = Text
    cache_ok = True
    _SPELLINGS = (("\x1a", "\x1a1"), ("\0", "\x1a0"))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or dialect.name != "postgresql":
            return value
        for plain, spelled in self._SPELLINGS:
            value = value.replace(plain, spelled)
        return value

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        if value is None or dialect.name != "postgresql":
            return value
        for plain, spelled in self._SPELLINGS[::-1]:
            value = value.replace(spelled, plain)
        return cast(str, value)


def _sources() -> tuple[Column[Any], Column[Any]]:
    """Return the columns that hold the source of a text. The database's default serves rows of older versions."""
    return Column("form", String, nullable=False, server_default="given"), Column("said", JSON(none_as_null=True))


def _observed() -> tuple[Column[Any], Column[Any]]:
    """Return the columns of a speaker's time: its text in UTC, by which it is sorted, and the speaker's offset."""
    return Column("observed_at", String, nullable=False), Column(
        "utc_offset", String, nullable=False, server_default=UTC_OFFSET
    )


meta = Table("meta", metadata, Column("key", String, primary_key=True), Column("value", Text, nullable=False))

scopes = Table(
    "scopes",
    metadata,
    Column("id", Seq, primary_key=True),
    Column("user_id", String, nullable=False, index=True),
    Column("agent_id", String, nullable=False, default=""),
    Column("run_id", String, nullable=False, default=""),
    Column("revision", Integer, nullable=False, default=0),
    UniqueConstraint("user_id", "agent_id", "run_id"),
)

turns = Table(
    "turns",
    metadata,
    Column("seq", Seq, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("scope_id", ForeignKey("scopes.id"), nullable=False),
    Column("thread_id", Words, nullable=False),
    Column("message_id", Words, nullable=False),
    Column("role", String, nullable=False),
    Column("speaker", Words),
    Column("text", Words, nullable=False),
    *_observed(),
    Column("observed_from", String, nullable=False),
    Column("images", JSON, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("unread", String, nullable=False, server_default=""),
    UniqueConstraint("scope_id", "thread_id", "message_id"),
    Index("turns_by_thread", "scope_id", "thread_id", "seq"),
)

memories = Table(
    "memories",
    metadata,
    Column("seq", Seq, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("scope_id", ForeignKey("scopes.id"), nullable=False),
    Column("text", Words, nullable=False),
    *_observed(),
    Column("created_at", String, nullable=False),
    Column("updated_at", String, nullable=False),
    Column("state", String, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("version", Integer, nullable=False, default=1),
    Column("metadata", JSON, nullable=False),
    *_sources(),
    Index("memories_by_scope", "scope_id", "state"),
)

evidence = Table(
    "evidence",
    metadata,
    Column("seq", Seq, primary_key=True),
    Column("memory_id", ForeignKey("memories.id"), nullable=False),
    Column("turn_id", ForeignKey("turns.id"), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    UniqueConstraint("memory_id", "turn_id", "version"),
)

withheld = Table(
    "withheld",
    metadata,
    Column("seq", Seq, primary_key=True),
    Column("scope_id", ForeignKey("scopes.id"), nullable=False),
    Column("cause", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("item_id", String, nullable=False, index=True),
    Column("reason", String, nullable=False),
    UniqueConstraint("cause", "kind", "item_id", "reason"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("seq", Seq, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("scope_id", ForeignKey("scopes.id"), nullable=False),
    Column("context", JSON, nullable=False),
    Column("turns", JSON, nullable=False),
    Column("status", String, nullable=False, index=True),
    Column("attempts", Integer, nullable=False, default=0),
    Column("error", Words),
    Column("bundle", String),
)

operations = Table(
    "operations",
    metadata,
    Column("seq", Seq, primary_key=True),
    Column("scope_id", ForeignKey("scopes.id"), nullable=False),
    Column("memory_id", String, index=True),
    Column("job_id", String),
    Column("turn_id", String),
    Column("event", String, nullable=False),
    Column("fact", Words, nullable=False),
    Column("before", Words),
    Column("after", Words),
    Column("probability", Float),
    Column("made_by", String, nullable=False),
    Column("at", String, nullable=False),
    *_sources(),
)

changes = Table(
    "changes",
    metadata,
    Column("seq", Seq, primary_key=True),
    Column("kind", String, nullable=False),
    Column("item_id", String, nullable=False),
)

indexes = Table(
    "indexes",
    metadata,
    Column("name", String, primary_key=True),
    Column("applied_seq", BigInteger, nullable=False),
)

vectors = Table(
    "vectors",
    metadata,
    Column("embedder", String, primary_key=True),
    Column("text_sha256", String, primary_key=True),
    Column("vector", LargeBinary, nullable=False),
)
