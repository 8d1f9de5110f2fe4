"""A device of a few objects, asked and told as a client with all rights would, without the octets of APDUs."""

from dataclasses import dataclass, field

from hes.dlms import axdr, data
from hes.dlms.codes import DataAccessResult
from hes.dlms.cosem import (
    ClientAccess,
    Context,
    DataObject,
    LogicalDevice,
    ObjectStates,
    Role,
)
from hes.dlms.cosem.image.state import ImageMemory
from hes.dlms.obis import Obis

NOW_S = 1_734_264_000.0  # 2024-12-15 12:00:00 UTC, a Sunday
EVERYTHING = ClientAccess(client_sap=1, role=Role.MANAGEMENT | Role.READER | Role.PUBLIC)


@dataclass(eq=False)
class Meter:
    """What an instance keeps beside the states of its objects."""

    states: ObjectStates = field(default_factory=ObjectStates)
    image: ImageMemory = field(default_factory=ImageMemory)
    values: dict = field(default_factory=dict)
    done: list = field(default_factory=list)


class ObjectBench:
    """One meter with these objects. Values come back plain; time passes with `wait`."""

    def __init__(self, *objects, meter=None, **changes):
        self.meter = meter or Meter()
        self.device = LogicalDevice(
            name=lambda _meter: b"AML1",
            clients=(EVERYTHING,),
            objects=objects,
            **{"states": lambda meter: meter.states, **changes},
        )
        self.now_s = NOW_S
        self.device.next_deadline(self.meter, self.now_s)

    @property
    def context(self):
        return Context(instance=self.meter, device=self.device, client=EVERYTHING, now_s=self.now_s)

    def encoded(self, name, attribute):
        return self.device.find(Obis.parse(name)).get(self.context, attribute)

    def get(self, name, attribute):
        encoded = self.encoded(name, attribute)
        return encoded if isinstance(encoded, DataAccessResult) else axdr.plain(axdr.decode_all(encoded))

    def set(self, name, attribute, value):
        return self.device.find(Obis.parse(name)).set(self.context, attribute, axdr.encode(value))

    def act(self, name, method, parameters=data.i8(0)):  # noqa: B008
        return self.ask(name, method, parameters).result

    def ask(self, name, method, parameters=data.i8(0)):  # noqa: B008
        encoded = None if parameters is None else axdr.encode(parameters)
        return self.device.find(Obis.parse(name)).act(self.context, method, encoded)

    def wait(self, seconds):
        """Let that much time pass, working off what falls due. Returns the next deadline, seconds from then."""
        self.now_s += seconds
        due_s = self.device.run_due(self.meter, self.now_s)
        while due_s is not None and due_s <= self.now_s:  # one call does a bounded amount of work
            due_s = self.device.run_due(self.meter, self.now_s)
        return None if due_s is None else due_s - self.now_s

    def deadline(self):
        """Seconds until something falls due."""
        due_s = self.device.next_deadline(self.meter, self.now_s)
        return None if due_s is None else due_s - self.now_s


def number(name):
    """A Data object over `Meter.values[name]`, an encoded value, that anybody may write."""

    def write(meter, _now_s, value):
        meter.values[name] = axdr.encode(value)
        return DataAccessResult.SUCCESS

    return DataObject(name, lambda meter, _now_s: meter.values.get(name, b"\x06\0\0\0\0"), write=write)
