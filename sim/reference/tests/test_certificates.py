"""The security setups of suites 1 and 2: version 1, with certificates to read, export, import and ask for."""

from __future__ import annotations

import random

import pytest

from hes.dlms import axdr, data
from hes.dlms.apdu import AttributeDescriptor, MethodDescriptor
from hes.dlms.client.events import ActDone, Associated
from hes.dlms.codes import ActionResult
from hes.dlms.cosem.association_ln import CURRENT_ASSOCIATION, security_setup_name
from hes.dlms.cosem.key_management import KEY_ENCRYPTION, Agreement
from hes.dlms.cosem.object_list import object_list_from_value
from hes.dlms.security import AUTHENTICATED_ENCRYPTED
from hes.dlms.security.certificates import (
    CertificateEntity,
    CertificateType,
    name_of_title,
    read_certificate,
)
from hes.dlms.security.curves import public_octets_of
from sim.reference import known_keys
from sim.reference.associations import SUITE_OF
from sim.reference.device import MANAGEMENT_SAP, SECOND_SAP
from sim.reference.tests.test_reference_meter import BY_NAME, Session

SIGNING = CertificateType.DIGITAL_SIGNATURE
WITH_PAIRS = [(setup, suite) for setup, suite in SUITE_OF.items() if suite]


def opened(setup):
    suite = SUITE_OF[setup]
    session = Session(BY_NAME[f"by-hls-gmac-suite-{suite}"], control=AUTHENTICATED_ENCRYPTED)
    assert isinstance(session.open(), Associated)
    return session


def act(session, setup, method, parameters):
    done = session.run(
        session.client.act(MethodDescriptor(64, security_setup_name(setup), method), axdr.encode(parameters))
    )
    assert isinstance(done, ActDone)
    return done


def of_owner(entity, kind, title):
    return data.structure(data.enum(0), data.structure(data.enum(entity), data.enum(kind), data.octets(title)))


@pytest.mark.parametrize("server_sap", [MANAGEMENT_SAP, SECOND_SAP])
def test_setups_of_suites_with_key_pairs_are_version_1(server_sap):
    session = Session(BY_NAME["by-none"], server_sap=server_sap)
    session.open()
    listed = object_list_from_value(session.value(AttributeDescriptor(15, CURRENT_ASSOCIATION, 2)))
    versions = {entry.logical_name: entry.version for entry in listed if entry.class_id == 64}
    for setup, suite in SUITE_OF.items():
        assert versions[security_setup_name(setup)] == bool(suite)


@pytest.mark.parametrize(("setup", "suite"), WITH_PAIRS)
def test_its_certificates_are_listed_and_exported(setup, suite):
    session = opened(setup)
    listed = session.value(AttributeDescriptor(64, security_setup_name(setup), 6))
    assert len(listed) == (4 if suite == 1 else 5)
    by_owner = of_owner(CertificateEntity.SERVER, CertificateType.KEY_AGREEMENT, known_keys.SYSTEM_TITLE)
    exported = act(session, setup, 7, by_owner)
    assert exported.succeeded
    certificate = read_certificate(axdr.decode_value(exported.data)[0])
    own = known_keys.private_key("meter", CertificateType.KEY_AGREEMENT, suite)
    assert public_octets_of(certificate.public_key) == public_octets_of(own)


@pytest.mark.parametrize(("setup", "suite"), WITH_PAIRS)
def test_a_certificate_of_its_authority_is_imported_and_one_of_another_is_not(setup, suite):
    session = opened(setup)
    key = known_keys.private_key("newcomer", SIGNING, suite)
    for issuer, result in (("stranger", ActionResult.OTHER_REASON), ("authority", ActionResult.SUCCESS)):
        authority = known_keys.authority(suite)
        if issuer == "stranger":
            stranger = known_keys.private_key(issuer, CertificateType.OTHER, suite)
            authority = type(authority)(name="nobody knows it", key=stranger)
        octets = authority.issue(name_of_title(b"NEWCLIEN"), key.public_key(), SIGNING, serial_number=99)
        assert act(session, setup, 6, data.octets(octets)).result is result
    found = act(session, setup, 7, of_owner(CertificateEntity.CLIENT, SIGNING, b"NEWCLIEN"))
    assert axdr.decode_value(found.data)[0] == octets


@pytest.mark.parametrize(("setup", "suite"), WITH_PAIRS)
def test_it_makes_a_key_pair_and_asks_for_its_certificate(setup, suite):
    session = opened(setup)
    before = act(session, setup, 5, data.enum(SIGNING))
    assert act(session, setup, 4, data.enum(SIGNING)).succeeded
    after = act(session, setup, 5, data.enum(SIGNING))
    assert before.succeeded
    assert after.succeeded
    assert before.data != after.data


@pytest.mark.parametrize(("setup", "suite"), WITH_PAIRS)
def test_it_agrees_with_the_test_client_on_new_keys(setup, suite):
    session = opened(setup)
    ours = Agreement.start(
        (KEY_ENCRYPTION,),
        random.Random(3).randbytes,
        suite=suite,
        client_title=known_keys.CLIENT_SYSTEM_TITLE,
        server_title=known_keys.SYSTEM_TITLE,
        signing_key=known_keys.private_key("client", SIGNING, suite),
        server_key=known_keys.private_key("meter", SIGNING, suite).public_key(),
    )
    method = MethodDescriptor(64, security_setup_name(setup), 3)
    done = session.run(session.client.act(method, ours.parameters()))
    assert done.succeeded
    assert session.meters.meter.security.keys(setup).encryption == ours.keys(done.data)[KEY_ENCRYPTION]


def test_each_setup_shows_the_client_that_used_it_last():
    first = Session(BY_NAME["by-hls-gmac-suite-1"], control=AUTHENTICATED_ENCRYPTED)
    first.open()
    reader = Session(BY_NAME["by-none"], meters=first.meters)
    reader.open()
    shown = [reader.value(AttributeDescriptor(64, security_setup_name(setup), 4)) for setup in SUITE_OF]
    title = known_keys.CLIENT_SYSTEM_TITLE
    assert shown == [title, b"", title, b""]
