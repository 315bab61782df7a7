"""The ledger's tables (SQLAlchemy Core) and its schema version.

`changes` numbers everything an index must know about; an index that has applied number n is up to date when n is the last.
`memories.version` counts the texts a memory has had; `evidence` links each of them to the turns that tell it, so a link
whose version is not the memory's own is superseded. `turns.images` holds references to pictures; once somebody looked, each
is an object of `ref` and `caption`.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

SCHEMA_VERSION = 1
metadata = MetaData()

meta = Table("meta", metadata, Column("key", String, primary_key=True), Column("value", Text, nullable=False))

scopes = Table(
    "scopes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", String, nullable=False, index=True),
    Column("agent_id", String, nullable=False, default=""),
    Column("run_id", String, nullable=False, default=""),
    Column("revision", Integer, nullable=False, default=0),
    UniqueConstraint("user_id", "agent_id", "run_id"),
)

turns = Table(
    "turns",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("scope_id", ForeignKey("scopes.id"), nullable=False),
    Column("thread_id", String, nullable=False),
    Column("message_id", String, nullable=False),
    Column("role", String, nullable=False),
    Column("speaker", String),
    Column("text", Text, nullable=False),
    Column("observed_at", String, nullable=False),
    Column("observed_from", String, nullable=False),
    Column("images", JSON, nullable=False),
    Column("metadata", JSON, nullable=False),
    UniqueConstraint("scope_id", "thread_id", "message_id"),
)

memories = Table(
    "memories",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("scope_id", ForeignKey("scopes.id"), nullable=False),
    Column("text", Text, nullable=False),
    Column("observed_at", String, nullable=False),
    Column("created_at", String, nullable=False),
    Column("updated_at", String, nullable=False),
    Column("state", String, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("version", Integer, nullable=False, default=1),
    Column("metadata", JSON, nullable=False),
    Index("memories_by_scope", "scope_id", "state"),
)

evidence = Table(
    "evidence",
    metadata,
    Column("memory_id", ForeignKey("memories.id"), primary_key=True),
    Column("turn_id", ForeignKey("turns.id"), primary_key=True, index=True),
    Column("version", Integer, primary_key=True),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String, primary_key=True),
    Column("scope_id", ForeignKey("scopes.id"), nullable=False),
    Column("context", JSON, nullable=False),
    Column("turns", JSON, nullable=False),
    Column("status", String, nullable=False, index=True),
    Column("attempts", Integer, nullable=False, default=0),
    Column("error", Text),
    Column("bundle", String),
)

operations = Table(
    "operations",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("scope_id", ForeignKey("scopes.id"), nullable=False),
    Column("memory_id", String, index=True),
    Column("job_id", String),
    Column("turn_id", String),
    Column("event", String, nullable=False),
    Column("fact", Text, nullable=False),
    Column("before", Text),
    Column("after", Text),
    Column("probability", Float),
    Column("made_by", String, nullable=False),
    Column("at", String, nullable=False),
)

changes = Table(
    "changes",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("kind", String, nullable=False),
    Column("item_id", String, nullable=False),
)

indexes = Table(
    "indexes",
    metadata,
    Column("name", String, primary_key=True),
    Column("applied_seq", Integer, nullable=False),
)

vectors = Table(
    "vectors",
    metadata,
    Column("embedder", String, primary_key=True),
    Column("text_sha256", String, primary_key=True),
    Column("vector", LargeBinary, nullable=False),
)

# Full-text search is SQLite's FTS5. `owner` is an indexed column, so that a search never scores other people's rows.
FTS_DDL = (
    "CREATE VIRTUAL TABLE IF NOT EXISTS lexical USING fts5(owner, text, item_id UNINDEXED, tokenize='porter unicode61')"
)
