"""Defects of gurux-dlms 1.0.203 that keep cells of the live matrix from being green, each shown in the peer alone."""

from __future__ import annotations

import pytest

pytest.importorskip("gurux_dlms")

from gurux_dlms.ConnectionState import ConnectionState
from gurux_dlms.enums import Authentication, Conformance, DataType, InterfaceType, Security
from gurux_dlms.objects import GXDLMSData
from gurux_dlms.secure import GXDLMSSecureClient

from interop.known_defects import DEFECTS

SERVER_TAKES = 640
WRAPPER_OCTETS = 8


def associated(conformance: Conformance) -> GXDLMSSecureClient:
    """A client as it is once a server that takes 640 octets has let it in."""
    client = GXDLMSSecureClient(True, 1, 1, Authentication.NONE, None, InterfaceType.WRAPPER)
    client.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
    client.negotiatedConformance = client.proposedConformance & conformance
    client.settings.connected = ConnectionState.DLMS
    client.maxReceivePDUSize = SERVER_TAKES
    return client


def longest_apdu(client: GXDLMSSecureClient) -> int:
    item = GXDLMSData("0.0.96.13.1.255")
    item.value = bytearray(1500)
    item.setDataType(2, DataType.OCTET_STRING)
    return max(len(frame) for frame in client.write(item, 2)) - WRAPPER_OCTETS


def test_gurux_sends_longer_apdus_than_the_server_takes_under_general_ciphering() -> None:
    assert longest_apdu(associated(~Conformance.GENERAL_PROTECTION)) <= SERVER_TAKES
    assert longest_apdu(associated(~Conformance(0))) > SERVER_TAKES


def test_every_defect_of_the_matrix_is_reproduced_here() -> None:
    assert {defect.reproduction for defect in DEFECTS} <= set(globals())
