"""What gurux-dlms writes for an attribute of one of its objects: a second opinion on ours."""

from gurux_dlms import GXByteBuffer
from gurux_dlms.enums import DataType
from gurux_dlms.GXDLMSClient import GXDLMSClient
from gurux_dlms.internal._GXCommon import _GXCommon
from gurux_dlms.ValueEventArgs import ValueEventArgs


def gurux_octets(peer, attribute):
    """The encoded attribute."""
    settings = GXDLMSClient(True).settings
    value = peer.getValue(settings, ValueEventArgs(settings, peer, attribute))
    kind = peer.getDataType(attribute)
    if isinstance(value, GXByteBuffer):
        return bytes(value.array())
    if kind in (DataType.ARRAY, DataType.STRUCTURE):
        return bytes(value)
    encoded = GXByteBuffer()
    _GXCommon.setData(settings, encoded, kind, value)
    return bytes(encoded.array())
