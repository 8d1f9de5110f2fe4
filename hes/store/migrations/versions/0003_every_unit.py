"""Signs of every unit code, so that meters of gas, water and heat read as well as those of electricity."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

UNITS = {
    10: "currency", 11: "m", 12: "m/s", 14: "m³ (corrected)", 15: "m³/h", 16: "m³/h (corrected)", 17: "m³/d",
    18: "m³/d (corrected)", 19: "l", 20: "kg", 21: "N", 22: "Nm", 23: "Pa", 24: "bar", 25: "J", 26: "J/h", 34: "C",
    36: "V/m", 37: "F", 38: "Ω", 39: "Ω·m", 40: "Wb", 41: "T", 42: "A/m", 43: "H", 45: "1/Wh", 46: "1/varh",
    47: "1/VAh", 48: "V²h", 49: "A²h", 50: "kg/s", 51: "S", 52: "K", 53: "1/V²h", 54: "1/A²h", 55: "1/m³", 57: "Ah",
    60: "Wh/m³", 61: "J/m³", 62: "mol %", 63: "g/m³", 64: "Pa·s", 65: "J/kg", 66: "g/cm²", 67: "atm", 71: "dBµV",
    72: "dB", 128: "in", 129: "ft", 130: "lb", 131: "°F", 132: "°R", 133: "in²", 134: "ft²", 135: "acre", 136: "in³",
    137: "ft³", 138: "acre·ft", 139: "gal (imp.)", 140: "gal (US)", 141: "lbf", 142: "psi", 143: "lb/ft³",
    144: "lb/(ft·s)", 145: "ft²/s", 146: "Btu", 147: "thm (EU)", 148: "thm (US)", 149: "Btu/lb", 150: "Btu/ft³",
    151: "ft³ (volume)", 152: "ft/s", 153: "ft³/s", 154: "ft³/min", 155: "ft³/h", 156: "ft³/d", 157: "acre·ft/s",
    158: "acre·ft/min", 159: "acre·ft/h", 160: "acre·ft/d", 161: "gal (imp., volume)", 162: "gal (imp.)/s",
    163: "gal (imp.)/min", 164: "gal (imp.)/h", 165: "gal (imp.)/d", 166: "gal (US, volume)", 167: "gal (US)/s",
    168: "gal (US)/min", 169: "gal (US)/h", 170: "gal (US)/d", 171: "Btu/s", 172: "Btu/min", 173: "Btu/h",
    174: "Btu/d", 254: "other",
}  # fmt: skip
"""COSEM unit code -> sign, as of this revision: those that revision 0002 lacks."""


def upgrade() -> None:
    unit = sa.table("unit", sa.column("code", sa.Integer), sa.column("name", sa.Text))
    op.bulk_insert(unit, [{"code": code, "name": name} for code, name in UNITS.items()])
