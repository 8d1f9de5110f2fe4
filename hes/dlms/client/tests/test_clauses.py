"""What the client refuses names the rule that the server broke; what it merely reports does too."""

import pytest

from hes.dlms import apdu
from hes.dlms.apdu import AttributeDescriptor
from hes.dlms.client.events import Associated
from hes.dlms.client.tests import test_client as clients
from hes.dlms.codes import ApplicationContext, Conformance
from hes.dlms.findings import CLAUSES, FindingKind
from hes.dlms.security import AUTHENTICATED
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import published
from hes.errors import RemoteProtocolError

K = FindingKind
ENERGY = AttributeDescriptor(3, bm.ENERGY, 2)


def reading(**changes):
    client = clients.open_client(**changes)
    client.get(ENERGY)
    return client


def ciphered():
    server = clients.CipheredServer()
    server.accept()
    server.client.get(ENERGY)
    return server


def deciphered_twice():
    server = clients.CipheredServer()
    server.accept()
    octets = server.ciphering.protect(apdu.GetResponseNormal(0xC1, 0, b"\x11\x01").encode())
    server.client.get(ENERGY)
    server.client.receive(octets)
    server.client.get(ENERGY)
    return server.client, octets


def weak():
    server = ciphered()
    answer = apdu.GetResponseNormal(0xC1, 0, b"\x11\x01").encode()
    return server.client, server.ciphering.protect(answer, control=AUTHENTICATED)


def falsified():
    server = ciphered()
    octets = bytearray(server.ciphering.protect(apdu.GetResponseNormal(0xC1, 0, b"\x11\x01").encode()))
    octets[-1] ^= 1
    return server.client, bytes(octets)


def opening(**changes):
    client = clients.Client(clients.ClientSettings(**clients.PUBLISHED))
    client.associate()
    return client, clients.aare(**changes)


def mirrored():
    client = clients.hls_client()
    return client, clients.pending(authentication_value=published.CLIENT_CHALLENGE)


CASES = {
    "nothing": (lambda: (reading(), b""), K.UNEXPECTED_ANSWER),
    "a request": (lambda: (reading(), published.GET_CLOCK), K.UNEXPECTED_ANSWER),
    "another service": (lambda: (reading(), bytes.fromhex("C501C100")), K.UNEXPECTED_ANSWER),
    "no invoke id": (lambda: (reading(), b"\xc4\x01"), K.WRONG_INVOKE_ID),
    "cut off": (lambda: (reading(), bytes.fromhex("C403C102")), K.MALFORMED_APDU),
    "a block out of turn": (lambda: (reading(), bytes.fromhex("C402C1000000000900020101")), K.BLOCK_OUT_OF_TURN),
    "a general block": (lambda: (reading(), bytes.fromhex("E0810001000002C001")), K.NOT_NEGOTIATED),
    "not acknowledged protection": (weak, K.PROTECTION_TOO_WEAK),
    "a wrong tag": (falsified, K.DECIPHERING_FAILED),
    "used before": (deciphered_twice, K.REPLAYED),
    "another context": (lambda: opening(context=ApplicationContext.SN), K.AARE_UNEXPECTED),
    "no initiate response": (lambda: opening(user_information=bytes.fromhex("0E010601")), K.AARE_UNEXPECTED),
    "our challenge": (mirrored, K.REFLECTED),
}


@pytest.mark.parametrize(("made", "kind"), CASES.values(), ids=CASES)
def test_what_the_client_refuses_names_the_rule(made, kind):
    client, octets = made()
    with pytest.raises(RemoteProtocolError) as caught:
        client.receive(octets)
    assert caught.value.clause == caught.value.fields["clause"] == CLAUSES[kind]
    assert CLAUSES[kind] in caught.value.sentence


def test_a_server_that_grants_too_much_is_reported_with_the_rule():
    client = clients.Client(clients.ClientSettings(**clients.PUBLISHED))
    client.associate()
    event = client.receive(clients.aare(user_information=clients.granted(clients.GRANTED | Conformance.ACCESS)))
    assert isinstance(event, Associated)
    (finding,) = event.findings
    assert finding.clause == CLAUSES[K.CONFORMANCE_WIDENED]
    assert str(finding).endswith(f"({finding.clause})")
