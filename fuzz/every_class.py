"""A meter with one object of every interface class: written, invoked and read by a client with all rights, in time."""

from __future__ import annotations

from functools import cache
from typing import Final

from fuzz.examples import drawn
from fuzz.target import Feed, Target
from hes.dlms import apdu, axdr
from hes.dlms.cosem.tests import reference_device, test_reference_device_survives
from hes.dlms.initiate import InitiateRequest
from hes.dlms.server import Server
from hes.dlms.server.tests.server_wire import aarq
from hes.dlms.tests import bench_meter as bm

DEVICE: Final = reference_device.device()  # type: ignore[no-untyped-call]
OPENING: Final = InitiateRequest(bm.METER_CONFORMANCE, 0).encode()
STEPS_S: Final = (0.0, 0.0, 0.5, 61.0, 3700.0, 90_000.0)


@cache
def requests() -> list[bytes]:
    """SET and ACTION of everything that can be written or invoked, with values of the type that is wanted; and GETs."""
    made: list[bytes] = []
    for number, (target, index, is_method) in enumerate(test_reference_device_survives.CALLS):
        class_id, obis = target.interface_class.class_id, target.logical_name
        for encoded in drawn(test_reference_device_survives.parameters(number), 3, axdr.encode):
            if is_method:
                made.append(
                    apdu.ActionRequestNormal(0xC1, apdu.MethodDescriptor(class_id, obis, index), encoded).encode()
                )
            else:
                named = apdu.AttributeDescriptor(class_id, obis, index)
                made.append(apdu.SetRequestNormal(0xC1, named, encoded).encode())
    for target in DEVICE:
        for index in (0, *target.attributes):
            named = apdu.AttributeDescriptor(target.interface_class.class_id, target.logical_name, index)
            made.append(apdu.GetRequestNormal(0xC1, named).encode())
    return made


def _server() -> Feed:
    """Time passes between two requests, and what is due then happens."""
    meter = reference_device.ReferenceMeter()  # type: ignore[no-untyped-call]
    server = Server(DEVICE, meter, entropy=bytes)
    now_s = float(bm.NOW_S)
    server.receive(1, aarq(user_information=OPENING).encode(), now_s)  # type: ignore[no-untyped-call]

    def feed(octets: bytes) -> None:
        nonlocal now_s
        server.receive(1, octets, now_s)
        now_s += STEPS_S[octets[-1] % len(STEPS_S)] if octets else 0.0
        DEVICE.run_due(meter, now_s)

    return feed


def targets() -> list[Target]:
    return [
        Target(name="server_every_class", session=_server, examples=requests, weight=0.1, stateful=True, may_raise=(),
               machines=("hes.dlms.cosem.cosem_object", "hes.dlms.cosem.inner_calls", "hes.dlms.cosem.device_time")),
    ]  # fmt: skip
