import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hes.dlms import acse, initiate
from hes.dlms.acse import Aare, Aarq, Rlre, Rlrq
from hes.dlms.codes import (
    AcseDiagnostic,
    ApplicationContext,
    AssociationResult,
    Conformance,
    DiagnosticSource,
    Mechanism,
    ProviderDiagnostic,
    ReleaseReason,
    UnknownCode,
    code,
)
from hes.dlms.tests import published
from hes.dlms.tests.strategies import damaged, outcome
from hes.errors import LocalProtocolError, RemoteProtocolError

OCTETS = st.binary(max_size=20) | st.binary(min_size=120, max_size=140)
CONTEXTS = st.sampled_from(ApplicationContext) | st.binary(min_size=1, max_size=5)
MECHANISMS = st.none() | st.sampled_from(Mechanism) | st.binary(min_size=1, max_size=5)
DIAGNOSTICS = st.one_of(
    st.tuples(st.just(DiagnosticSource.SERVICE_USER), st.integers(0, 300).map(lambda n: code(AcseDiagnostic, n))),
    st.tuples(
        st.just(DiagnosticSource.SERVICE_PROVIDER), st.integers(0, 300).map(lambda n: code(ProviderDiagnostic, n))
    ),
)
COMMON = {
    "context": CONTEXTS,
    "protocol_version": st.text("01", max_size=10),
    "authentication": st.booleans(),
    "mechanism": MECHANISMS,
    "authentication_value": OCTETS,
    "user_information": OCTETS,
}


def others(tags):
    """Fields nobody reads, in the order in which they stand in the APDU."""
    return st.lists(st.sampled_from(tags), unique=True).flatmap(
        lambda chosen: st.tuples(*[st.tuples(st.just(tag), OCTETS) for tag in sorted(chosen, key=tags.index)])
    )


AARQS = st.builds(
    Aarq,
    **COMMON,
    calling_ap_title=OCTETS,
    calling_ae_invocation_id=st.none() | st.integers(0, 2**32),
    other=others([0xA2, 0xA3, 0xA4, 0xA5, 0xA7, 0xA8, 0xBD, 0x9E]),
)
AARES = DIAGNOSTICS.flatmap(
    lambda pair: st.builds(
        Aare,
        **COMMON,
        result=st.integers(0, 300).map(lambda number: code(AssociationResult, number)),
        diagnostic=st.just(pair[1]),
        diagnostic_source=st.just(pair[0]),
        responding_ap_title=OCTETS,
        other=others([0xA5, 0xA6, 0xA7, 0xBD]),
    )
)
RELEASE = {
    "reason": st.none() | st.integers(0, 300).map(lambda number: code(ReleaseReason, number)),
    "user_information": OCTETS,
    "other": others([0x9E]),
}
APDUS = AARQS | AARES | st.builds(Rlrq, **RELEASE) | st.builds(Rlre, **RELEASE)

LLS = {"authentication": True, "mechanism": Mechanism.LLS, "authentication_value": published.PASSWORD}


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        (published.AARQ_PLAIN, Aarq(user_information=published.INITIATE_REQUEST)),
        (published.AARQ_LLS, Aarq(**LLS, user_information=published.INITIATE_REQUEST)),
        (
            published.AARQ_HLS5,
            Aarq(
                authentication=True,
                mechanism=Mechanism.HLS_GMAC,
                authentication_value=published.CLIENT_CHALLENGE,
                user_information=published.INITIATE_REQUEST,
            ),
        ),
        (
            published.AARQ_LLS_CIPHERED,
            Aarq(
                context=ApplicationContext.LN_CIPHERED,
                calling_ap_title=published.SERVER_TITLE,  # so in the example
                **LLS,
                user_information=published.GLO_INITIATE_REQUEST,
            ),
        ),
        (
            published.AARQ_UNKNOWN_CONTEXT,
            Aarq(
                context=bytes.fromhex("5F857504070203"),
                user_information=bytes.fromhex("01000000065F1F04007C1BA0FFFF"),
            ),
        ),
        (
            published.AARQ_DUMMY_FIELDS,
            Aarq(
                user_information=bytes.fromhex("01000000065F1F040060FE9FFFFF"),
                other=(
                    (0xA2, b"\x04\x01\x44"),
                    (0xA3, b"\x04\x01\x44"),
                    (0xA4, b"\x02\x01\x00"),
                    (0xA5, b"\x02\x01\x00"),
                    (0xA8, b"\x02\x01\x00"),
                ),
            ),
        ),
        (
            published.AARE_ACCEPTED,
            Aare(
                result=AssociationResult.ACCEPTED,
                diagnostic=AcseDiagnostic.NULL,
                user_information=published.INITIATE_RESPONSE,
            ),
        ),
        (
            published.AARE_CONTEXT_REFUSED,
            Aare(
                result=AssociationResult.REJECTED_PERMANENT,
                diagnostic=AcseDiagnostic.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED,
                user_information=published.INITIATE_RESPONSE,
            ),
        ),
        (
            published.AARE_VERSION_TOO_LOW,
            Aare(
                result=AssociationResult.REJECTED_PERMANENT,
                diagnostic=AcseDiagnostic.NO_REASON_GIVEN,
                user_information=bytes.fromhex("0E010601"),
            ),
        ),
        (
            published.AARE_HLS5_PENDING,
            Aare(
                result=AssociationResult.ACCEPTED,
                diagnostic=AcseDiagnostic.AUTHENTICATION_REQUIRED,
                authentication=True,
                mechanism=Mechanism.HLS_GMAC,
                authentication_value=published.SERVER_CHALLENGE,
                user_information=published.INITIATE_RESPONSE,
            ),
        ),
        (published.RLRQ_PLAIN, Rlrq()),
        (published.RLRE_PLAIN, Rlre()),
        (published.RLRE_CIPHERED, Rlre(user_information=published.GLO_INITIATE_RESPONSE)),
        (bytes.fromhex("6200"), Rlrq(reason=None)),
        (bytes.fromhex("620380011E"), Rlrq(reason=ReleaseReason.USER_DEFINED)),
        (bytes.fromhex("6303800105"), Rlre(reason=UnknownCode(5))),
    ],
)
def test_published_apdus_are_read_and_written(octets, value):
    assert acse.decode(octets) == value
    assert value.encode() == octets


@given(sent=APDUS)
def test_every_apdu_comes_back_as_it_was_sent(sent):
    received = acse.decode(sent.encode())
    assert received == sent
    assert type(received) is type(sent)


@given(octets=st.binary(max_size=60) | damaged(APDUS.map(lambda apdu: apdu.encode())))
@example(b"")
@example(bytes.fromhex("608000"))
@example(bytes.fromhex("61848000000000"))
@example(bytes.fromhex("6109A2030201FFA302A100"))
def test_random_octets_give_an_apdu_or_one_error(octets):
    received = outcome(acse.decode, octets)
    if received is not None:
        assert acse.decode(received.encode()) == received


def test_an_aarq_above_127_octets_uses_long_lengths_all_the_way():
    aarq = Aarq(user_information=bytes(200))
    octets = aarq.encode()
    assert octets[:2] == b"\x60\x81"
    assert bytes.fromhex("BE81CB0481C8") in octets
    assert acse.decode(octets) == aarq


def test_long_form_lengths_are_read_wherever_short_ones_would_do():
    def field(tag, contents):
        return bytes((tag, 0x84)) + len(contents).to_bytes(4, "big") + contents

    fields = [
        field(0xA1, field(0x06, bytes.fromhex("60857405080101"))),
        field(0xA2, field(0x02, b"\x00")),
        field(0xA3, field(0xA1, field(0x02, b"\x00"))),
        field(0xBE, field(0x04, published.INITIATE_RESPONSE)),
    ]
    assert acse.decode(field(0x61, b"".join(fields))) == acse.decode(published.AARE_ACCEPTED)


def test_a_diagnostic_nobody_has_heard_of_is_kept():
    octets = published.AARE_ACCEPTED.replace(bytes.fromhex("A305A103020100"), bytes.fromhex("A305A103020142"))
    aare = acse.decode(octets)
    assert aare.diagnostic == UnknownCode(0x42)
    assert aare.diagnostic_source is DiagnosticSource.SERVICE_USER
    assert aare.encode() == octets


def test_the_provider_speaks_in_its_own_diagnostics():
    aare = Aare(result=AssociationResult.REJECTED_PERMANENT, diagnostic=ProviderDiagnostic.NO_COMMON_ACSE_VERSION)
    assert bytes.fromhex("A305A203020102") in aare.encode()
    assert acse.decode(aare.encode()).diagnostic is ProviderDiagnostic.NO_COMMON_ACSE_VERSION


@pytest.mark.parametrize(("bits", "version_1"), [("", True), ("1", True), ("100001", True), ("010001", False)])
def test_the_first_bit_of_the_protocol_version_says_version_1(bits, version_1):
    assert acse.decode(Aarq(protocol_version=bits).encode()).version_1 is version_1


def test_a_user_id_above_127_is_one_octet():
    octets = Aarq(calling_ae_invocation_id=200).encode()
    assert bytes.fromhex("A9030201C8") in octets
    assert acse.decode(octets).calling_ae_invocation_id == 200
    with pytest.raises(LocalProtocolError):
        Aarq(calling_ae_invocation_id=-1).encode()


def test_fields_out_of_order_are_read():
    octets = bytes.fromhex("610F A305A103020100 A203020100".replace(" ", ""))
    context = bytes.fromhex("A109060760857405080101")
    octets = b"\x61" + bytes((len(octets) - 2 + len(context),)) + octets[2:] + context
    assert acse.decode(octets).result is AssociationResult.ACCEPTED


@pytest.mark.parametrize(
    ("octets", "complaint"),
    [
        ("6000", "context name .* is missing"),
        ("610BA109060760857405080101", "diagnostic .* is missing"),
        ("6116A109060760857405080101A109060760857405080101", "comes twice"),
        ("620380010000", "left over after the ACSE APDU"),
        ("6204800100", "claims 4 octets, 3 are there"),
        ("6280800100" + "0000", "indefinite"),
        ("6404800100", "claims"),
        ("6403800100", "none of AARQ, AARE, RLRQ, RLRE"),
        ("6302" + "8000", "release reason: an integer of 0 octets"),
        ("6303" + "8001FF", "a code of 0 or more"),
        ("6112A109060760857405080101A305A303020100", "neither the service user's nor the provider's"),
        ("600FA109060760857405080101BE020600", "user information: tag 06 where 04 should stand"),
        ("6010A109060760857405080101BE03040000", "user information: 1 octets left over"),
        ("600FA109060760857405080101A9020200", "a user id of 0 octets"),
        ("6010A109060760857405080101AC03810100", "tag 81 where 80 should stand"),
    ],
)
def test_an_apdu_that_breaks_the_rules_is_refused(octets, complaint):
    with pytest.raises(RemoteProtocolError, match=complaint):
        acse.decode(bytes.fromhex(octets))


def test_an_apdu_above_the_bound_is_refused_unread():
    with pytest.raises(RemoteProtocolError, match="at most 65535"):
        acse.decode(b"\x60" + bytes(acse.ACSE_OCTETS_MAX))


def test_passwords_challenges_and_user_information_are_not_shown():
    dedicated = initiate.InitiateRequest(Conformance.GET, 0, b"0123456789abcdef").encode()
    aarq = Aarq(**LLS, user_information=dedicated)
    aare = Aare(
        result=AssociationResult.ACCEPTED, diagnostic=AcseDiagnostic.NULL, authentication_value=published.PASSWORD
    )
    for shown in (repr(aarq), str(aarq), repr(aare)):
        assert "12345678" not in shown
        assert "0123456789abcdef" not in shown


PLAIN_AARE = acse.Aare(
    result=AssociationResult.ACCEPTED,
    diagnostic=AcseDiagnostic.NULL,
    user_information=bytes.fromhex("0800065F1F040000301D04C80007"),
).encode()


@given(st.integers(0, len(PLAIN_AARE) - 1), st.integers(0, 255), st.binary(max_size=3))
def test_the_short_way_of_an_aare_reads_what_the_long_one_reads(place, octet, tail):
    octets = PLAIN_AARE[:place] + bytes((octet,)) + PLAIN_AARE[place + 1 :] + tail
    short = acse._plain_aare(octets)
    if short is not None:
        assert short == acse._decode_any(octets)


def test_the_short_way_takes_the_aare_of_a_server_without_hls():
    assert acse._plain_aare(PLAIN_AARE) == acse._decode_any(PLAIN_AARE)


@given(
    st.sampled_from(list(ApplicationContext)),
    st.sampled_from([None, *Mechanism]),
    st.binary(max_size=200),
    st.binary(max_size=200),
    st.sampled_from([b"", b"AMM\x00\x00\x00\x00\x01"]),
    st.booleans(),
)
def test_an_aarq_without_the_object_has_the_same_octets(context, mechanism, value, information, title, authentication):
    aarq = acse.Aarq(
        context=context,
        mechanism=mechanism,
        authentication_value=value,
        user_information=information,
        calling_ap_title=title,
        authentication=authentication,
    )
    octets = acse.encode_aarq(
        context, mechanism, value, information, calling_ap_title=title, authentication=authentication
    )
    assert octets == aarq.encode() == acse._encode_with_all(aarq)
    assert acse.decode(octets) == aarq
