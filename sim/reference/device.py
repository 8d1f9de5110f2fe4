"""The logical devices of the reference meter, made once and shared by all who talk to it."""

from __future__ import annotations

from typing import Final

from hes.dlms.cosem.logical_device import LogicalDevice
from sim.reference.associations import OFFERS
from sim.reference.behaviours import behaviours, one_of_every_class, security_setups
from sim.reference.meter import ReferenceMeter
from sim.reference.objects import WRITTEN_OCTETS_MAX, identity, objects

MANAGEMENT_SAP: Final = 1
SECOND_SAP: Final = 18
"""A second logical device, with one object of every class in every version [A]."""
MAX_PDU_OCTETS: Final = 640
"""That it takes: small enough that long values come in blocks [A]."""
MAX_SEND_OCTETS: Final = 2000
"""That it sends: an object list with short names fits, which not every client can take in blocks [A]."""
MAX_LONG_REQUEST_OCTETS: Final = WRITTEN_OCTETS_MAX + 4
"""The longest value that can be written, with tag and length."""
NAMES: Final = {MANAGEMENT_SAP: b"AMLREF0000000001", SECOND_SAP: b"AMLREF0000000018"}


def logical_devices() -> tuple[LogicalDevice[ReferenceMeter], ...]:
    """The management logical device first."""
    return (
        LogicalDevice(
            name=lambda _meter: NAMES[MANAGEMENT_SAP],
            clients=[offer.access() for offer in OFFERS],
            objects=[*objects(), *behaviours(), *security_setups()],
            states=lambda meter: meter.states,
            security=lambda meter: meter.security,
            server_sap=MANAGEMENT_SAP,
            max_receive_pdu_size=MAX_PDU_OCTETS,
            max_long_request_octets=MAX_LONG_REQUEST_OCTETS,
            max_send_pdu_size=MAX_SEND_OCTETS,
        ),
        LogicalDevice(
            name=lambda _meter: NAMES[SECOND_SAP],
            clients=[offer.access() for offer in OFFERS],
            objects=[*identity(), *one_of_every_class(), *security_setups()],
            states=lambda meter: meter.class_states,
            security=lambda meter: meter.security,
            server_sap=SECOND_SAP,
            max_receive_pdu_size=MAX_PDU_OCTETS,
            max_long_request_octets=MAX_LONG_REQUEST_OCTETS,
        ),
    )
