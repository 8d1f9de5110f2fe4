"""Views for people: consumption, readings and missing values as text, scaled, with names of units.

The views are written in SQLite's words (strftime, CROSS JOIN as an order of loops); an adapter for
another database gives the same columns in its own. docs/database.md describes them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

UNITS = {
    1: "a", 2: "mo", 3: "wk", 4: "d", 5: "h", 6: "min", 7: "s", 8: "°", 9: "°C", 13: "m³", 27: "W", 28: "VA",
    29: "var", 30: "Wh", 31: "VAh", 32: "varh", 33: "A", 35: "V", 44: "Hz", 56: "%", 70: "dBm", 255: "",
}  # fmt: skip
"""COSEM unit code -> sign, as of this revision."""

# The key of `reading` starts with the time. Hopping from one time to the next and seeking the device at each spares a
# scan of everything that every device said in between; CROSS JOIN keeps SQLite to that order of loops.
MOMENT = """
moment (time_s) AS (
  SELECT min(time_s) FROM reading
  UNION ALL
  SELECT (SELECT min(time_s) FROM reading WHERE time_s > moment.time_s) FROM moment WHERE moment.time_s IS NOT NULL
)"""


def _scaled(number: str) -> str:
    """SQL for number x 10^channel.scaler: an integer where it is one, else the nearest real number."""
    return f"""CASE
    WHEN channel.scaler BETWEEN 0 AND 18 THEN {number} * CAST(CAST('1e' || channel.scaler AS REAL) AS INTEGER)
    WHEN channel.scaler > 18 THEN {number} * CAST('1e' || channel.scaler AS REAL)
    ELSE {number} / CAST('1e' || -channel.scaler AS REAL)
  END"""


def _iso(seconds: str) -> str:
    return f"strftime('%Y-%m-%dT%H:%M:%SZ', {seconds}, 'unixepoch')"


UNIT_NAME = "coalesce(unit.name, 'unit ' || channel.unit)"

READING_TEXT = f"""
CREATE VIEW reading_text AS
WITH RECURSIVE {MOMENT}
SELECT
  device.number AS meter,
  device.name AS name,
  channel.name AS channel,
  channel.obis AS obis,
  channel.kind AS kind,
  {_iso("reading.time_s")} AS time,
  {_scaled("reading.value")} AS value,
  {UNIT_NAME} AS unit,
  reading.quality AS quality,
  reading.version AS version
FROM device
CROSS JOIN moment
CROSS JOIN reading ON reading.time_s = moment.time_s AND reading.device_id = device.id
JOIN channel ON channel.id = reading.channel_id
LEFT JOIN unit ON unit.code = channel.unit
"""  # noqa: S608 - made of constants

# The window is partitioned by what people ask for (number, name), so that SQLite looks up that meter first.
CONSUMPTION = f"""
CREATE VIEW consumption AS
WITH RECURSIVE {MOMENT},
pair AS (
  SELECT
    device.number AS meter,
    device.name AS name,
    reading.channel_id AS channel_id,
    reading.time_s AS to_s,
    lag(reading.time_s) OVER before AS from_s,
    reading.value AS value,
    lag(reading.value) OVER before AS value_before,
    reading.quality AS quality
  FROM device
  CROSS JOIN moment
  CROSS JOIN reading ON reading.time_s = moment.time_s AND reading.device_id = device.id AND reading.version = 0
  WINDOW before AS (PARTITION BY device.number, device.name, reading.channel_id ORDER BY reading.time_s)
)
SELECT
  pair.meter AS meter,
  pair.name AS name,
  channel.name AS channel,
  {_iso("pair.from_s")} AS from_time,
  {_iso("pair.to_s")} AS to_time,
  {_scaled("(pair.value - pair.value_before)")} AS value,
  {UNIT_NAME} AS unit,
  pair.quality AS quality
FROM pair
JOIN channel ON channel.id = pair.channel_id
LEFT JOIN unit ON unit.code = channel.unit
WHERE pair.from_s IS NOT NULL
  AND channel.kind = 'load_profile'
  AND channel.unit IN (30, 31, 32)
  AND channel.obis LIKE '%.%.%.8.%.%'
"""  # noqa: S608 - made of constants

MISSING_VALUE = f"""
CREATE VIEW missing_value AS
WITH RECURSIVE due (device_id, channel_id, time_s, last_s, step_s, cause, plan) AS (
  SELECT device_id, channel_id, first_s, last_s, step_s, cause, plan FROM missing
  UNION ALL
  SELECT device_id, channel_id, time_s + step_s, last_s, step_s, cause, plan
  FROM due
  WHERE step_s > 0 AND time_s + step_s <= last_s
)
SELECT
  device.number AS meter,
  device.name AS name,
  channel.name AS channel,
  {_iso("due.time_s")} AS time,
  due.cause AS cause,
  due.plan AS plan
FROM due
JOIN device ON device.id = due.device_id
JOIN channel ON channel.id = due.channel_id
"""  # noqa: S608 - made of constants


def upgrade() -> None:
    unit = op.create_table(
        "unit",
        sa.Column("code", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False),
    )
    op.bulk_insert(unit, [{"code": code, "name": name} for code, name in UNITS.items()])
    for view in (READING_TEXT, CONSUMPTION, MISSING_VALUE):
        op.execute(sa.text(view.replace(":", r"\:")))
