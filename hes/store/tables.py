"""The tables, for queries in SQLAlchemy Core. The migrations create and change them; a test keeps both equal.

reading is the hot table: its key is (time, device, channel, version), so that rows that arrive together lie together
(2-3 times the ingest of a key that starts with the device). It carries no foreign keys: they cost 15-20 % of the
ingest, and ids come from this store in the first place.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""How constraints are named, so that a migration can name what it changes."""

Int64 = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits everywhere; SQLite's INTEGER is that, and only that name makes a key of a rowid."""

metadata = MetaData(naming_convention=NAMES)

device = Table(
    "device",
    metadata,
    Column("id", Int64, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("system_title", LargeBinary),
    Column("key_ref", Text),
    UniqueConstraint("number"),
    CheckConstraint("kind IN ('meter', 'dcu')", name="kind"),
)

device_relation = Table(
    "device_relation",
    metadata,
    Column("device_id", Int64, ForeignKey("device.id"), nullable=False),
    Column("dcu_id", Int64, ForeignKey("device.id"), nullable=False),
    Column("valid_from_s", Int64, nullable=False),
    Column("valid_to_s", Int64),
    PrimaryKeyConstraint("device_id", "valid_from_s"),
    Index(None, "dcu_id"),
    CheckConstraint("valid_to_s IS NULL OR valid_to_s > valid_from_s", name="order"),
)

channel = Table(
    "channel",
    metadata,
    Column("id", Int64, primary_key=True),
    Column("name", Text, nullable=False),
    Column("class_id", Integer, nullable=False),
    Column("obis", Text, nullable=False),
    Column("attribute", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("unit", Integer, nullable=False),
    Column("scaler", Integer, nullable=False),
    Column("data_type", Integer, nullable=False),
    UniqueConstraint("class_id", "obis", "attribute", "kind", "unit", "scaler", "data_type"),
    CheckConstraint("kind IN ('load_profile', 'billing', 'register')", name="kind"),
)

unit = Table(
    "unit",
    metadata,
    Column("code", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
)
"""Signs of COSEM unit codes, for the views; filled by a migration. Views: docs/database.md."""

reading = Table(
    "reading",
    metadata,
    Column("time_s", Int64, nullable=False),
    Column("device_id", Int64, nullable=False),
    Column("channel_id", Int64, nullable=False),
    Column("version", Integer, nullable=False),
    Column("value", Int64, nullable=False),
    Column("quality", Integer, nullable=False),
    Column("received_ms", Int64, nullable=False),
    PrimaryKeyConstraint("time_s", "device_id", "channel_id", "version"),
    sqlite_with_rowid=False,
)

plan = Table(
    "plan",
    metadata,
    Column("name", Text, primary_key=True),
    Column("definition", Text, nullable=False),
)

plan_occurrence = Table(
    "plan_occurrence",
    metadata,
    Column("plan", Text, ForeignKey("plan.name"), nullable=False),
    Column("opens_s", Int64, nullable=False),
    Column("closes_s", Int64, nullable=False),
    PrimaryKeyConstraint("plan", "opens_s"),
    CheckConstraint("closes_s >= opens_s", name="order"),
)

attempt = Table(
    "attempt",
    metadata,
    Column("id", Int64, primary_key=True),
    Column("device_id", Int64, ForeignKey("device.id"), nullable=False),
    Column("plan", Text, nullable=False),
    Column("occurrence_s", Int64, nullable=False),
    Column("number", Integer, nullable=False),
    Column("started_ms", Int64, nullable=False),
    Column("ended_ms", Int64, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("octets", Int64, nullable=False),
    Index(None, "device_id", "started_ms"),
)

missing = Table(
    "missing",
    metadata,
    Column("device_id", Int64, ForeignKey("device.id"), nullable=False),
    Column("channel_id", Int64, ForeignKey("channel.id"), nullable=False),
    Column("first_s", Int64, nullable=False),
    Column("last_s", Int64, nullable=False),
    Column("step_s", Int64, nullable=False),
    Column("plan", Text, nullable=False),
    Column("cause", Text, nullable=False),
    PrimaryKeyConstraint("device_id", "channel_id", "first_s"),
    CheckConstraint("last_s = first_s OR (last_s > first_s AND step_s > 0)", name="grid"),
    sqlite_with_rowid=False,
)

session_event = Table(
    "session_event",
    metadata,
    Column("id", Int64, primary_key=True),
    Column("time_ms", Int64, nullable=False),
    Column("dcu_id", Int64, ForeignKey("device.id")),
    Column("event", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Index(None, "dcu_id", "time_ms"),
)

device_clock = Table(
    "device_clock",
    metadata,
    Column("device_id", Int64, ForeignKey("device.id"), nullable=False),
    Column("read_ms", Int64, nullable=False),
    Column("deviation_ms", Int64, nullable=False),
    PrimaryKeyConstraint("device_id", "read_ms"),
    sqlite_with_rowid=False,
)

invocation_counter = Table(
    "invocation_counter",
    metadata,
    Column("key_ref", Text, primary_key=True),
    Column("next", Int64, nullable=False),
)

run_info = Table(
    "run_info",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
