"""A client that comes again: the server that remembers its AARQ says what one says that never heard it."""

from dataclasses import replace

import pytest

from hes.dlms import acse
from hes.dlms.acse import Aarq
from hes.dlms.codes import ApplicationContext, AssociationResult, Conformance, Mechanism
from hes.dlms.server import Server
from hes.dlms.server.tests.server_wire import Wire, aarq, client_side, initiating
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import published

SAP = bm.MANAGEMENT


def proposing(counter: int, *, number: int = 1, proposal: bytes = b"", **changes) -> Aarq:
    """A ciphered AARQ with HLS-GMAC. number: of the challenge."""
    fields = {
        "context": ApplicationContext.LN_CIPHERED,
        "calling_ap_title": published.CLIENT_TITLE,
        "authentication": True,
        "mechanism": Mechanism.HLS_GMAC,
        "authentication_value": bytes([number] * 8),
        "user_information": client_side(counter).protect_initiate(proposal or initiating()),
    }
    return aarq(**{**fields, **changes})


class Pair:
    """Two meters that hear the same: one has one server all the time, the other a new one for every AARQ."""

    def __init__(self) -> None:
        self.kept, self.fresh = Wire(SAP), Wire(SAP)

    def __call__(self, octets: bytes) -> bytes:
        self.fresh.server = Server(bm.DEVICE, self.fresh.meter, entropy=bm.challenge, challenge_octets=8)
        answer = self.kept(octets)
        assert self.fresh(octets) == answer
        assert self.kept.server.take_findings() == self.fresh.server.take_findings()
        assert self.kept.meter.security == self.fresh.meter.security
        assert self.kept.server.idle == self.fresh.server.idle
        return answer


@pytest.fixture
def pair() -> Pair:
    """Both meters know the client by now."""
    one = Pair()
    for turn in range(3):
        answer = acse.decode(one(proposing(10 * turn + 1, number=turn).encode()))
        assert answer.result == AssociationResult.ACCEPTED
        one.kept.server.link_lost()
    assert one.kept.server._opening._accepted  # the short way is what is tested here
    return one


AGAIN = {
    "the same with another challenge": proposing(100, number=9),
    "another proposal of the same length": proposing(
        100, proposal=initiating(conformance=Conformance.GET, client_max_receive_pdu_size=300)
    ),
    "a longer challenge": proposing(100, authentication_value=bytes(range(16))),
    "a challenge that is too short": proposing(100, authentication_value=b"1234567"),
    "a dedicated key": proposing(100, proposal=initiating(dedicated_key=bytes(16))),
    "a counter that was used": proposing(1),
    "another title": proposing(100, calling_ap_title=b"ANOTHER1"),
    "another mechanism": proposing(100, mechanism=Mechanism.HLS_SHA256),
    "no authentication asked": proposing(100, authentication=False),
    "a user": proposing(100, calling_ae_invocation_id=7),
    "a proposal in the clear": proposing(100, user_information=initiating()),
    "a proposal of an old version": proposing(100, proposal=initiating(dlms_version=5)),
    "the challenge that the meter sends": proposing(100, authentication_value=bm.challenge(8)),
}


@pytest.mark.parametrize("request_again", AGAIN.values(), ids=AGAIN)
def test_who_comes_again_is_answered_as_if_for_the_first_time(pair: Pair, request_again: Aarq) -> None:
    pair(request_again.encode())


@pytest.mark.parametrize("place", range(1, 36))
def test_who_comes_again_with_an_octet_changed_in_what_is_ciphered(pair: Pair, place: int) -> None:
    octets = bytearray(proposing(100).encode())
    octets[-place] ^= 0x01
    pair(bytes(octets))


def test_who_comes_again_after_the_keys_have_changed(pair: Pair) -> None:
    for wire in (pair.kept, pair.fresh):
        wire.meter.security.replace_keys(0, encryption=bytes(16), authentication=None)
    refused = acse.decode(pair(proposing(100).encode()))
    assert refused.result == AssociationResult.REJECTED_PERMANENT
    ciphering = client_side(100, global_keys=replace(bm.keys(), encryption=bytes(16)))
    sealed = ciphering.protect_initiate(initiating())
    assert acse.decode(pair(proposing(1, user_information=sealed).encode())).result == AssociationResult.ACCEPTED


def test_who_comes_again_once_only_others_may_use_the_client(pair: Pair) -> None:
    for wire in (pair.kept, pair.fresh):
        wire.meter.security.change_users(SAP, {7: "somebody"})
    assert acse.decode(pair(proposing(100).encode())).result == AssociationResult.REJECTED_PERMANENT
