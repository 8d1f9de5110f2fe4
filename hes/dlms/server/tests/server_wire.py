"""A server to which raw octets are sent, and the client's side of it for tests that need one."""

from hes.dlms import acse
from hes.dlms.acse import Aarq
from hes.dlms.apdu import AttributeDescriptor
from hes.dlms.codes import (
    ApplicationContext,
    AssociationResult,
    Conformance,
    Mechanism,
)
from hes.dlms.cosem import ClientAccess, LogicalDevice, Role
from hes.dlms.initiate import InitiateRequest
from hes.dlms.obis import Obis
from hes.dlms.security.ciphering import Ciphering
from hes.dlms.server import Server
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import published

ENERGY = AttributeDescriptor(3, bm.ENERGY, 2)
MESSAGE = AttributeDescriptor(1, bm.MESSAGE, 2)
SECURITY_SETUP = Obis.parse("0.0.43.0.0.255")
NOT_POSSIBLE, NOT_NEGOTIATED, MALFORMED = (bytes.fromhex(text) for text in ("D80101", "D80102", "D80103"))
TOO_LONG, NOT_DECIPHERED, UNKNOWN = (bytes.fromhex(text) for text in ("D80104", "D80105", "D80202"))


def small_meter():
    """Negotiates as the published AARE does: conformance 00501F and 500 octets."""
    conformance = Conformance(0x00501F)
    clients = (
        ClientAccess(client_sap=16, role=Role.READER, conformance=conformance),
        ClientAccess(client_sap=2, role=Role.READER, mechanism=Mechanism.LLS, conformance=conformance),
    )
    return LogicalDevice(
        name=lambda _meter: b"AML", clients=clients, objects=bm.objects(), security=lambda meter: meter.security,
        max_receive_pdu_size=500,
    )  # fmt: skip


class Wire:
    """A server to which raw octets are sent from one client SAP."""

    def __init__(self, client_sap, device=bm.DEVICE, meter=None, challenge=bm.challenge):
        self.meter = meter or bm.BenchMeter()
        self.sap = client_sap
        self.server = Server(device, self.meter, entropy=challenge, challenge_octets=8)

    def __call__(self, octets):
        return self.server.receive(self.sap, octets, bm.NOW_S)


def aarq(**changes):
    request = InitiateRequest(bm.METER_CONFORMANCE, 1200)
    return Aarq(**{"context": ApplicationContext.LN, "user_information": request.encode(), **changes})


def lls_aarq(**changes):
    fields = {"authentication": True, "mechanism": Mechanism.LLS, "authentication_value": published.PASSWORD}
    return aarq(**{**fields, **changes})


def initiating(**changes):
    return InitiateRequest(
        **{"conformance": bm.METER_CONFORMANCE, "client_max_receive_pdu_size": 1200, **changes}
    ).encode()


def plain_wire(**changes):
    """A wire with an open LLS association."""
    wire = Wire(bm.READER, **changes)
    assert acse.decode(wire(lls_aarq().encode())).result == AssociationResult.ACCEPTED
    return wire


def client_side(counter=1, **changes):
    fields = {
        "system_title": published.CLIENT_TITLE,
        "peer_system_title": published.SERVER_TITLE,
        "global_keys": bm.keys(),
        "send_counter": counter,
    }
    return Ciphering(**{**fields, **changes})


def ciphered_wire(client_sap=bm.CIPHERED_LLS, **changes):
    """A wire with an open ciphered LLS association, and the client's ciphering."""
    wire, ciphering = Wire(client_sap, **changes), client_side()
    request = lls_aarq(
        context=ApplicationContext.LN_CIPHERED,
        calling_ap_title=published.CLIENT_TITLE,
        user_information=ciphering.protect_initiate(initiating()),
    )
    answer = acse.decode(wire(request.encode()))
    assert answer.result == AssociationResult.ACCEPTED
    ciphering.unprotect(answer.user_information)
    return wire, ciphering


def managing_wire(device=bm.DEVICE):
    wire = Wire(bm.PLAIN_HLS, device)
    wire(published.AARQ_HLS5)
    wire(bytes.fromhex("C301C1000F0000280000FF010109111000000001") + published.PROOF_STOC)
    return wire
