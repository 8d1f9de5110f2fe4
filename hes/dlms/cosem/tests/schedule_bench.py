"""A device with a clock and a script table whose scripts write down that they ran."""

from hes.dlms import data
from hes.dlms.codes import DataAccessResult
from hes.dlms.cosem import DataObject, ObjectAction, ScriptReference, ServiceId
from hes.dlms.cosem.calendar.date_patterns import civil_s
from hes.dlms.cosem.calendar.script_table import Script, ScriptTable
from hes.dlms.cosem.calendar.settable_clock import ClockState, SettableClock, local_time_of
from hes.dlms.cosem.tests.object_bench import ObjectBench
from hes.dlms.cosem_time import date_time_octets
from hes.dlms.obis import Obis

SCRIPTS = Obis.parse("0.0.10.0.100.255")
NOTE = Obis.parse("0.0.96.50.0.255")
AMSTERDAM = ClockState(
    time_zone_min=-60,
    dst_begin=bytes.fromhex("ffff03fe0702000000ffc400"),
    dst_end=bytes.fromhex("ffff0afe0703000000ff8880"),
    dst_enabled=True,
)
LOCAL = local_time_of(AMSTERDAM)


def script(selector):
    return ScriptReference(SCRIPTS, selector)


def _note():
    """What is written to it goes to `Meter.done`, with the local time of the meter."""

    def write(meter, now_s, value):
        stamp = date_time_octets(civil_s(LOCAL, round(now_s + meter.values.get("offset_s", 0))))
        year, month, day = int.from_bytes(stamp[:2], "big"), stamp[2], stamp[3]
        meter.done.append((f"{year}-{month:02}-{day:02} {stamp[5]:02}:{stamp[6]:02}:{stamp[7]:02}", value.value))
        return DataAccessResult.SUCCESS

    return DataObject(NOTE, data.u16(0), write=write)


def bench(*objects, start_s, clock=AMSTERDAM, scripts=range(1, 10)):
    """`objects` on a meter that starts at that world time."""
    noted = [Script(selector, (ObjectAction(ServiceId.WRITE, 1, NOTE, 2, data.u16(selector)),)) for selector in scripts]
    meter = ObjectBench(SettableClock(initial=clock), _note(), ScriptTable(SCRIPTS, noted), *objects)
    meter.now_s = float(start_s)
    meter.meter.states.handled_until_s = None
    meter.device.next_deadline(meter.meter, meter.now_s)
    return meter
