"""The first tables: archive, channels, readings, plans, attempts, what is missing, sessions, clocks, counters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _archive()
    _values()
    _collection()
    _counters()


def _archive() -> None:
    op.create_table(
        "device",
        sa.Column("id", INT64, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("profile", sa.Text, nullable=False),
        sa.Column("system_title", sa.LargeBinary),
        sa.Column("key_ref", sa.Text),
        sa.UniqueConstraint("number"),
        sa.CheckConstraint("kind IN ('meter', 'dcu')", name="kind"),
    )
    op.create_table(
        "device_relation",
        sa.Column("device_id", INT64, sa.ForeignKey("device.id"), nullable=False),
        sa.Column("dcu_id", INT64, sa.ForeignKey("device.id"), nullable=False),
        sa.Column("valid_from_s", INT64, nullable=False),
        sa.Column("valid_to_s", INT64),
        sa.PrimaryKeyConstraint("device_id", "valid_from_s"),
        sa.CheckConstraint("valid_to_s IS NULL OR valid_to_s > valid_from_s", name="order"),
    )
    op.create_index(None, "device_relation", ["dcu_id"])
    op.create_table(
        "channel",
        sa.Column("id", INT64, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("class_id", sa.Integer, nullable=False),
        sa.Column("obis", sa.Text, nullable=False),
        sa.Column("attribute", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("unit", sa.Integer, nullable=False),
        sa.Column("scaler", sa.Integer, nullable=False),
        sa.Column("data_type", sa.Integer, nullable=False),
        sa.UniqueConstraint("class_id", "obis", "attribute", "kind", "unit", "scaler", "data_type"),
        sa.CheckConstraint("kind IN ('load_profile', 'billing', 'register')", name="kind"),
    )


def _values() -> None:
    op.create_table(
        "reading",
        sa.Column("time_s", INT64, nullable=False),
        sa.Column("device_id", INT64, nullable=False),
        sa.Column("channel_id", INT64, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("value", INT64, nullable=False),
        sa.Column("quality", sa.Integer, nullable=False),
        sa.Column("received_ms", INT64, nullable=False),
        sa.PrimaryKeyConstraint("time_s", "device_id", "channel_id", "version"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "missing",
        sa.Column("device_id", INT64, sa.ForeignKey("device.id"), nullable=False),
        sa.Column("channel_id", INT64, sa.ForeignKey("channel.id"), nullable=False),
        sa.Column("first_s", INT64, nullable=False),
        sa.Column("last_s", INT64, nullable=False),
        sa.Column("step_s", INT64, nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("device_id", "channel_id", "first_s"),
        sa.CheckConstraint("last_s = first_s OR (last_s > first_s AND step_s > 0)", name="grid"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "device_clock",
        sa.Column("device_id", INT64, sa.ForeignKey("device.id"), nullable=False),
        sa.Column("read_ms", INT64, nullable=False),
        sa.Column("deviation_ms", INT64, nullable=False),
        sa.PrimaryKeyConstraint("device_id", "read_ms"),
        sqlite_with_rowid=False,
    )


def _collection() -> None:
    op.create_table(
        "plan",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("definition", sa.Text, nullable=False),
    )
    op.create_table(
        "plan_occurrence",
        sa.Column("plan", sa.Text, sa.ForeignKey("plan.name"), nullable=False),
        sa.Column("opens_s", INT64, nullable=False),
        sa.Column("closes_s", INT64, nullable=False),
        sa.PrimaryKeyConstraint("plan", "opens_s"),
        sa.CheckConstraint("closes_s >= opens_s", name="order"),
    )
    op.create_table(
        "attempt",
        sa.Column("id", INT64, primary_key=True),
        sa.Column("device_id", INT64, sa.ForeignKey("device.id"), nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("occurrence_s", INT64, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("started_ms", INT64, nullable=False),
        sa.Column("ended_ms", INT64, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("octets", INT64, nullable=False),
    )
    op.create_index(None, "attempt", ["device_id", "started_ms"])
    op.create_table(
        "session_event",
        sa.Column("id", INT64, primary_key=True),
        sa.Column("time_ms", INT64, nullable=False),
        sa.Column("dcu_id", INT64, sa.ForeignKey("device.id")),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_index(None, "session_event", ["dcu_id", "time_ms"])


def _counters() -> None:
    op.create_table(
        "invocation_counter",
        sa.Column("key_ref", sa.Text, primary_key=True),
        sa.Column("next", INT64, nullable=False),
    )
    op.create_table(
        "run_info",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
