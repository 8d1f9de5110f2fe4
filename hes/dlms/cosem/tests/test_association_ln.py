"""Association LN: its versions, selection of the object list, objects removed, users and secrets."""

from dataclasses import dataclass, field

import pytest
from gurux_dlms.objects import GXDLMSAssociationLogicalName

from hes.dlms import acse, apdu, axdr, data
from hes.dlms.apdu import AttributeDescriptor, MethodDescriptor
from hes.dlms.codes import (
    AcseDiagnostic,
    ActionResult,
    ApplicationContext,
    AssociationResult,
    Conformance,
    DataAccessResult,
    Mechanism,
)
from hes.dlms.cosem import (
    Attribute,
    ClientAccess,
    Context,
    CosemObject,
    DataObject,
    LogicalDevice,
    ObjectStates,
    Role,
    SecurityMemory,
)
from hes.dlms.cosem.association_ln import CURRENT_ASSOCIATION
from hes.dlms.cosem.interface_classes import CLASSES, DATA
from hes.dlms.cosem.object_list import SELECTED_MAX, object_list_from_value
from hes.dlms.cosem.tests.gurux_values import read_by_gurux
from hes.dlms.initiate import InitiateRequest
from hes.dlms.obis import Obis
from hes.dlms.server import Server
from hes.errors import LocalProtocolError

NOW_S = 1_734_264_000.0
READER, MANAGER, HLS, GMAC, PUBLIC = 2, 1, 3, 4, 16
PASSWORDS = {READER: b"reader", MANAGER: b"manager", HLS: b"a hls secret"}
TEXT, GUARDED, SWITCH = (Obis.parse(f"0.0.96.1.{number}.255") for number in range(3))
CONFORMANCE = Conformance.GET | Conformance.SET | Conformance.ACTION | Conformance.SELECTIVE_ACCESS
PROFILE = 7
NAMES = {sap: Obis.parse(f"0.0.40.0.{index}.255") for index, sap in enumerate((MANAGER, READER, HLS, GMAC, PUBLIC), 1)}


@dataclass(eq=False)
class Meter:
    security: SecurityMemory = field(
        default_factory=lambda: SecurityMemory(system_title=b"AML\0\0\0\0\1", secrets=PASSWORDS)
    )
    states: ObjectStates = field(default_factory=ObjectStates)
    texts: dict = field(default_factory=dict)


def _clients():
    def client(sap, role, mechanism, **changes):
        return ClientAccess(client_sap=sap, role=role, mechanism=mechanism, conformance=CONFORMANCE, **changes)

    yield client(MANAGER, Role.MANAGEMENT, Mechanism.LLS)
    yield client(READER, Role.READER, Mechanism.LLS)
    yield client(HLS, Role.READER, Mechanism.HLS_SHA256)
    yield client(GMAC, Role.READER, Mechanism.HLS_GMAC)
    yield client(PUBLIC, Role.PUBLIC, Mechanism.NONE)


def _text(name):
    def write(meter, _now_s, value):
        meter.texts[name] = value.value
        return DataAccessResult.SUCCESS

    return DataObject(name, lambda meter, _now_s: axdr.encode(data.octets(meter.texts.get(name, b""))), write=write)


def _guarded():
    readable = Attribute(get=lambda _context, _selection: b"\x00", readable=Role.READER, authenticated=True)
    return CosemObject(DATA, GUARDED, {2: readable})


class Bench:
    """A device of one version, asked as one of its clients."""

    def __init__(self, version=2, managed=Role.MANAGEMENT):
        self.meter = Meter()
        self.device = LogicalDevice(
            name=lambda _meter: b"AML1",
            clients=tuple(_clients()),
            objects=(_text(TEXT), _guarded(), _text(SWITCH)),
            security=lambda meter: meter.security,
            states=lambda meter: meter.states,
            association_version=version,
            managed_associations=managed,
        )

    def context(self, sap, **changes):
        return Context(instance=self.meter, device=self.device, client=self.device.clients[sap], now_s=NOW_S, **changes)

    def object(self, name=CURRENT_ASSOCIATION):
        return self.device.find(bytes(name))

    def encoded(self, sap, attribute, name=CURRENT_ASSOCIATION, selection=b"", **changes):
        return self.object(name).get(self.context(sap, **changes), attribute, selection)

    def get(self, sap, attribute, name=CURRENT_ASSOCIATION, **changes):
        return axdr.plain(axdr.decode_all(self.encoded(sap, attribute, name, **changes)))

    def selected(self, sap, selector, parameters):
        answer = self.encoded(sap, 2, selection=bytes((selector,)) + axdr.encode(parameters))
        return answer if isinstance(answer, DataAccessResult) else axdr.plain(axdr.decode_all(answer))

    def names(self, sap, name=CURRENT_ASSOCIATION):
        return {entry.logical_name for entry in object_list_from_value(self.get(sap, 2, name))}

    def set(self, sap, attribute, value, name=CURRENT_ASSOCIATION):
        return self.object(name).set(self.context(sap), attribute, axdr.encode(value))

    def act(self, sap, method, parameters, name=CURRENT_ASSOCIATION, **changes):
        return self.object(name).act(self.context(sap, **changes), method, axdr.encode(parameters)).result

    def element(self, sap, name):
        """That object as the list of the association gives it."""
        listed = axdr.decode_all(self.encoded(sap, 2)).value
        return next(each for each in listed if each.value[2].value == bytes(name))

    def modes(self, sap, name):
        listed = object_list_from_value(self.get(sap, 2))
        return next(entry for entry in listed if entry.logical_name == name)

    def opened(self, sap, user_id=None, password=None):
        """A server with that client's association open, or the diagnostic of the refusal."""
        server = Server(self.device, self.meter, entropy=bytes)
        request = acse.Aarq(
            context=ApplicationContext.LN,
            user_information=InitiateRequest(CONFORMANCE, 1200).encode(),
            authentication=True,
            mechanism=Mechanism.LLS,
            authentication_value=password or PASSWORDS[sap],
            calling_ae_invocation_id=user_id,
        )
        answer = acse.decode(server.receive(sap, request.encode(), NOW_S))
        return server if answer.result == AssociationResult.ACCEPTED else answer.diagnostic


# -- versions


@pytest.mark.parametrize("version", range(4))
def test_every_attribute_is_of_its_declared_type(version):
    bench = Bench(version)
    declared = CLASSES[15, version]
    assert bench.object().interface_class == declared
    for attribute in range(2, len(declared.attributes) + 1):
        answer = bench.encoded(MANAGER, attribute)
        if attribute == 7:
            assert answer is DataAccessResult.READ_WRITE_DENIED
        else:
            assert declared.mismatch(attribute, axdr.decode_all(answer)) is None


@pytest.mark.parametrize(
    ("version", "attributes", "methods"),
    [(0, 8, 4), (1, 9, 4), (2, 11, 6), (3, 11, 6)],
)
def test_later_versions_have_more(version, attributes, methods):
    listed = Bench(version).modes(MANAGER, CURRENT_ASSOCIATION)
    assert (listed.version, len(listed.attributes), len(listed.methods)) == (version, attributes, methods)


@pytest.mark.parametrize(
    ("version", "guarded", "text", "method"),
    [(0, 1, 1, True), (1, 4, 1, 1), (2, 4, 1, 1), (3, 0x05, 0x01, 1)],
)
def test_each_version_says_rights_in_its_own_words(version, guarded, text, method):
    bench = Bench(version, managed=Role.MANAGEMENT | Role.READER)
    assert bench.modes(READER, GUARDED).attributes[2] == guarded
    assert bench.modes(READER, TEXT).attributes[2] & text
    sent = bench.element(READER, CURRENT_ASSOCIATION).value[3].value[1].value[2].value[1]
    assert sent.value == method
    assert sent == (data.boolean(True) if version == 0 else data.enum(1))


def test_a_device_without_managed_associations_needs_no_states_and_offers_none_of_it():
    clients = tuple(_clients())[:1]
    plain = LogicalDevice(name=lambda _meter: b"AML1", clients=clients, objects=())
    association = plain.find(bytes(CURRENT_ASSOCIATION))
    assert sorted(association.attributes) == [1, 2, 3, 4, 5, 6, 8, 9]
    assert sorted(association.methods) == [1, 2]
    with pytest.raises(LocalProtocolError):
        LogicalDevice(name=lambda _meter: b"AML1", clients=(), objects=(), managed_associations=Role.MANAGEMENT)


def test_gurux_reads_the_list_of_objects():
    peer = GXDLMSAssociationLogicalName()
    read_by_gurux(peer, 2, Bench(1).encoded(READER, 2))
    assert {str(entry.logicalName) for entry in peer.objectList} >= {str(TEXT), str(GUARDED)}


# -- selection


def test_selection_of_all_objects_is_the_whole_list():
    bench = Bench()
    assert bench.selected(READER, 1, data.null()) == bench.get(READER, 2)


def test_selection_by_class_comes_without_rights():
    chosen = Bench().selected(READER, 2, data.array((data.u16(1),)))
    assert {bytes(entry[2]) for entry in chosen} >= {bytes(TEXT), bytes(GUARDED)}
    assert all(entry[0] == 1 and entry[3] == ([], []) for entry in chosen)


def test_selection_by_object_comes_with_rights():
    bench = Bench()

    def wanted(class_id, name):
        return data.structure(data.u16(class_id), data.octets(name))

    whole = {bytes(entry[2]): entry for entry in bench.get(READER, 2)}
    several = data.array((wanted(1, TEXT), wanted(3, SWITCH), wanted(15, CURRENT_ASSOCIATION)))
    assert bench.selected(READER, 3, several) == [whole[bytes(TEXT)], whole[bytes(CURRENT_ASSOCIATION)]]
    assert bench.selected(READER, 4, wanted(1, SWITCH)) == [whole[bytes(SWITCH)]]
    assert bench.selected(PUBLIC, 4, wanted(1, GUARDED)) == []


@pytest.mark.parametrize(
    ("selector", "parameters"),
    [
        (2, data.u16(1)),
        (2, data.array((data.u8(1),))),
        (2, data.array((data.u16(1),) * (SELECTED_MAX + 1))),
        (3, data.structure(data.u16(1), data.octets(TEXT))),
        (4, data.array(())),
        (4, data.structure(data.u8(1), data.octets(TEXT))),
    ],
)
def test_parameters_of_another_form_are_refused(selector, parameters):
    assert Bench().selected(READER, selector, parameters) is DataAccessResult.TYPE_UNMATCHED


# -- objects


def test_a_removed_object_is_gone_for_that_association_only():
    bench = Bench()
    removed = bench.element(MANAGER, TEXT)
    assert bench.act(MANAGER, 4, removed) is ActionResult.SUCCESS
    assert TEXT not in bench.names(MANAGER)
    assert TEXT not in bench.names(MANAGER, NAMES[MANAGER])
    assert TEXT in bench.names(READER)
    assert bench.act(MANAGER, 3, removed) is ActionResult.SUCCESS
    assert TEXT in bench.names(MANAGER)


def test_a_manager_removes_objects_of_another_association_and_the_server_obeys():
    bench = Bench()
    server = bench.opened(READER)
    request = apdu.GetRequestNormal(0xC1, AttributeDescriptor(1, TEXT, 2))

    def answer():
        return apdu.decode(server.receive(READER, request.encode(), NOW_S)).result

    assert answer() is DataAccessResult.SUCCESS
    element = bench.element(READER, TEXT)
    assert bench.act(MANAGER, 4, element, NAMES[READER]) is ActionResult.SUCCESS
    assert answer() is DataAccessResult.OBJECT_UNDEFINED
    assert TEXT in bench.names(MANAGER)
    assert bench.act(MANAGER, 3, element, NAMES[READER]) is ActionResult.SUCCESS
    assert answer() is DataAccessResult.SUCCESS


def test_what_cannot_be_removed_or_added():
    bench = Bench()
    association = bench.element(MANAGER, CURRENT_ASSOCIATION)
    assert bench.act(MANAGER, 4, association) is ActionResult.READ_WRITE_DENIED
    assert bench.act(MANAGER, 4, data.null()) is ActionResult.TYPE_UNMATCHED
    class_id, version, name, rights = bench.element(MANAGER, TEXT).value
    other_name, other_class = data.octets(bytes(6)), data.u16(3)
    assert bench.act(MANAGER, 4, data.structure(class_id, version, other_name, rights)) is ActionResult.OBJECT_UNDEFINED
    inconsistent = data.structure(other_class, version, name, rights)
    assert bench.act(MANAGER, 4, inconsistent) is ActionResult.OBJECT_CLASS_INCONSISTENT
    fewer = data.structure(class_id, version, name, data.structure(data.array(()), data.array(())))
    assert bench.act(MANAGER, 3, fewer) is ActionResult.READ_WRITE_DENIED
    assert bench.act(READER, 4, bench.element(READER, TEXT)) is ActionResult.READ_WRITE_DENIED


# -- users


def _user(user_id, name):
    return data.structure(data.u8(user_id), data.visible(name))


def test_users_are_added_replaced_and_removed():
    bench = Bench()
    assert bench.get(MANAGER, 10) == []
    assert bench.act(MANAGER, 5, _user(1, "Ada")) is ActionResult.SUCCESS
    assert bench.act(MANAGER, 5, _user(2, "Bob")) is ActionResult.SUCCESS
    assert bench.act(MANAGER, 5, _user(1, "Eve")) is ActionResult.SUCCESS
    assert bench.get(MANAGER, 10) == [(1, "Eve"), (2, "Bob")]
    assert bench.get(READER, 10) == []
    assert bench.act(MANAGER, 6, _user(1, "Eve")) is ActionResult.SUCCESS
    assert bench.act(MANAGER, 6, _user(1, "Eve")) is ActionResult.OTHER_REASON
    assert bench.act(MANAGER, 5, data.u8(1)) is ActionResult.TYPE_UNMATCHED
    assert bench.act(MANAGER, 6, data.u8(1)) is ActionResult.TYPE_UNMATCHED
    assert bench.get(MANAGER, 10) == [(2, "Bob")]
    assert bench.set(MANAGER, 10, data.array((_user(9, "Zoe"),))) is DataAccessResult.SUCCESS
    assert bench.set(MANAGER, 10, data.array((data.u8(9),))) is DataAccessResult.TYPE_UNMATCHED
    assert bench.get(MANAGER, 10) == [(9, "Zoe")]


def test_only_listed_users_open_an_association_that_lists_users():
    bench = Bench()
    assert isinstance(bench.opened(READER), Server)
    assert bench.act(MANAGER, 5, _user(7, "Ada"), NAMES[READER]) is ActionResult.SUCCESS
    assert bench.opened(READER) == AcseDiagnostic.CALLING_AE_INVOCATION_ID_NOT_RECOGNIZED
    assert bench.opened(READER, user_id=8) == AcseDiagnostic.CALLING_AE_INVOCATION_ID_NOT_RECOGNIZED
    assert bench.opened(READER, user_id=7, password=b"wrong") == AcseDiagnostic.AUTHENTICATION_FAILURE
    server = bench.opened(READER, user_id=7)
    request = apdu.GetRequestNormal(0xC1, AttributeDescriptor(15, CURRENT_ASSOCIATION, 11))
    answer = apdu.decode(server.receive(READER, request.encode(), NOW_S))
    assert axdr.plain(axdr.decode_all(answer.data)) == (7, "Ada")
    assert isinstance(bench.opened(MANAGER), Server)


def test_the_current_user_of_somebody_else_is_nobody():
    bench = Bench()
    assert bench.get(MANAGER, 11, user_id=3) == (3, "")
    assert bench.get(MANAGER, 11, NAMES[READER], user_id=3) == (0, "")
    assert bench.get(MANAGER, 11) == (0, "")


# -- secrets


def test_a_password_is_written():
    bench = Bench()
    assert bench.set(MANAGER, 7, data.octets(b"new"), NAMES[READER]) is DataAccessResult.SUCCESS
    assert bench.opened(READER) == AcseDiagnostic.AUTHENTICATION_FAILURE
    assert isinstance(bench.opened(READER, password=b"new"), Server)


def test_secrets_of_high_level_security_change_by_method_alone():
    bench = Bench()
    newer = data.octets(b"newer")
    assert bench.act(MANAGER, 2, newer, NAMES[HLS]) is ActionResult.READ_WRITE_DENIED  # not encrypted
    assert bench.act(MANAGER, 2, newer, NAMES[HLS], encrypted=True) is ActionResult.SUCCESS
    assert bench.meter.security.secret(HLS) == b"newer"
    assert bench.act(MANAGER, 2, newer, NAMES[GMAC], encrypted=True) is ActionResult.READ_WRITE_DENIED
    assert bench.set(MANAGER, 7, newer, NAMES[HLS]) is DataAccessResult.READ_WRITE_DENIED


@pytest.mark.parametrize("secret", [data.octets(b""), data.u8(1), data.null()])
def test_passwords_of_another_form_are_refused(secret):
    bench = Bench()
    assert bench.set(MANAGER, 7, secret, NAMES[READER]) is DataAccessResult.TYPE_UNMATCHED
    assert bench.meter.security.secret(READER) == PASSWORDS[READER]


def test_only_the_managing_role_changes_secrets():
    bench = Bench()
    assert bench.set(READER, 7, data.octets(b"new")) is DataAccessResult.READ_WRITE_DENIED
    assert bench.act(READER, 2, data.octets(b"new"), NAMES[HLS], encrypted=True) is ActionResult.READ_WRITE_DENIED


def test_a_method_descriptor_reaches_the_methods_over_the_wire():
    bench = Bench()
    server = bench.opened(MANAGER)
    request = apdu.ActionRequestNormal(0xC1, MethodDescriptor(15, NAMES[READER], 5), axdr.encode(_user(4, "Ann")))
    answer = apdu.decode(server.receive(MANAGER, request.encode(), NOW_S))
    assert answer.result is ActionResult.SUCCESS
    assert bench.get(MANAGER, 10, NAMES[READER]) == [(4, "Ann")]
