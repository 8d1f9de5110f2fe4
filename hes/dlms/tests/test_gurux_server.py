"""Our client against the server of gurux-dlms 1.0.203, which cannot be started as released.

`RepairedServer` mends, outside of the library, just what keeps it from answering a GET at all; each of these defects is
reproduced below, and so is what keeps it from answering a SET or an object list, too deep inside to mend from here. A
server of others that answers everything is in the live matrix (docs/interop.md).
"""

import pytest

pytest.importorskip("gurux_dlms")

from gurux_dlms import GXDLMSServer, GXServerReply
from gurux_dlms.enums import DataType, InterfaceType, SourceDiagnostic
from gurux_dlms.GXDLMSLNParameters import GXDLMSLNParameters
from gurux_dlms.objects import GXDLMSAssociationLogicalName, GXDLMSData, GXDLMSRegister
from gurux_dlms.ValueEventArgs import ValueEventArgs

from hes.dlms import axdr, wrapper
from hes.dlms.apdu import AttributeDescriptor
from hes.dlms.client import Client
from hes.dlms.client.events import Associated, AssociationRefused, Got, GotList, SendNext
from hes.dlms.client.settings import ClientSettings
from hes.dlms.codes import AcseDiagnostic, DataAccessResult, Mechanism
from hes.dlms.obis import Obis

ENERGY, TEXT = Obis.parse("1.0.1.8.0.255"), Obis.parse("0.0.96.13.0.255")
PASSWORD = b"12345678"
LONG = bytes(range(256)) * 4
SUCCESS = DataAccessResult.SUCCESS


class Host(GXDLMSServer):
    """What a user of the library has to write: every callback, with the answers of a meter that allows everything."""

    password = None

    def isTarget(self, _server, _client):  # noqa: N802 - the library's name
        return True

    def onValidateAuthentication(self, _authentication, password):  # noqa: N802
        right = self.password is None or bytes(password or b"") == self.password
        return SourceDiagnostic.NONE if right else SourceDiagnostic.AUTHENTICATION_FAILURE

    def onFindObject(self, *_):  # noqa: N802
        return None

    def onGetAttributeAccess(self, _):  # noqa: N802
        return 3

    def onGetMethodAccess(self, _):  # noqa: N802
        return 1

    def nothing(self, *_):
        return None

    onPreGet = onPostGet = onPreRead = onPostRead = onPreWrite = onPostWrite = nothing  # noqa: N815
    onPreAction = onPostAction = onConnected = onDisconnected = onInvalidConnection = nothing  # noqa: N815


class RepairedServer(Host):
    """initialize puts one list into another; notifyRead is called and does not exist."""

    notifyRead = Host.nothing  # noqa: N815

    def initialize(self):
        association = GXDLMSAssociationLogicalName()
        self.items.append(association)
        for item in list(self.items):
            association.objectList.append(item)
        self.initialized = True


class RepairedReply(GXServerReply):
    """The server calls accessors that the reply has not."""

    def setReply(self, octets):  # noqa: N802
        self.reply = octets

    def getConnectionInfo(self):  # noqa: N802
        return self.connectionInfo


def items():
    energy, text = GXDLMSRegister(str(ENERGY)), GXDLMSData(str(TEXT))
    energy.value, text.value = 4711, bytearray(LONG)
    energy.setDataType(2, DataType.UINT32)
    text.setDataType(2, DataType.OCTET_STRING)
    return energy, text


class Line:
    """Our client and their server, through wrapper frames."""

    def __init__(self, settings, password=None):
        self.server = RepairedServer(True, InterfaceType.WRAPPER)
        self.server.password = password
        for item in items():
            self.server.items.append(item)
        self.server.initialize()
        self.client = Client(settings)

    def run(self, octets):
        while True:
            reply = RepairedReply(bytearray(wrapper.encode(self.client.settings.client_sap, 1, octets)))
            self.server.handleRequest(reply)
            event = self.client.receive(bytes(reply.reply)[wrapper.HEADER_OCTETS :])
            if not isinstance(event, SendNext):
                return event
            octets = event.octets

    def get(self, class_id, obis, attribute=2):
        event = self.run(self.client.get(AttributeDescriptor(class_id, obis, attribute)))
        assert isinstance(event, Got), event
        return axdr.decode_value(event.data)[0]


LOW = ClientSettings(mechanism=Mechanism.LLS, password=PASSWORD)


@pytest.mark.parametrize("settings", [ClientSettings(), LOW], ids=["none", "LLS"])
def test_values_and_lists_are_read(settings):
    line = Line(settings, PASSWORD if settings is LOW else None)
    assert isinstance(line.run(line.client.associate()), Associated)
    assert line.get(3, ENERGY) == 4711
    wanted = [AttributeDescriptor(3, ENERGY, 2), AttributeDescriptor(3, ENERGY, 1)]
    listed = line.run(line.client.get_list(wanted))
    assert isinstance(listed, GotList)
    assert [(result, axdr.decode_value(octets)[0]) for result, octets in listed.results] == [
        (SUCCESS, 4711),
        (SUCCESS, bytes(ENERGY)),
    ]


def test_a_wrong_password_is_refused():
    line = Line(ClientSettings(mechanism=Mechanism.LLS, password=b"wrong"), PASSWORD)
    refused = line.run(line.client.associate())
    assert isinstance(refused, AssociationRefused)
    assert refused.diagnostic == AcseDiagnostic.AUTHENTICATION_FAILURE


# the defects


def test_as_released_it_cannot_be_initialised():
    server = Host(True, InterfaceType.WRAPPER)
    with pytest.raises(TypeError, match="not of type GXDLMSObject"):
        server.initialize()


def test_as_released_it_calls_what_its_parts_have_not():
    assert not hasattr(GXServerReply(None), "setReply")
    assert not hasattr(GXServerReply(None), "getConnectionInfo")
    assert not hasattr(GXDLMSServer, "notifyRead")


def test_a_set_and_an_object_list_ask_for_what_is_not_there():
    assert not hasattr(GXDLMSLNParameters, "isMultipleBlocks")
    assert not hasattr(ValueEventArgs, "isSkipMaxPduSize")
