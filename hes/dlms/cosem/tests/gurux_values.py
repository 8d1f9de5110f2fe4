"""What gurux-dlms understands of an attribute that we encode."""

from gurux_dlms import GXByteBuffer, GXDLMSClient, ValueEventArgs
from gurux_dlms.internal._GXCommon import _GXCommon
from gurux_dlms.internal._GXDataInfo import _GXDataInfo


def read_by_gurux(peer, attribute, encoded):
    """Give the object of gurux-dlms that attribute as it came over the wire."""
    settings = GXDLMSClient(True).settings
    value = ValueEventArgs(settings, peer, attribute)
    value.value = _GXCommon.getData(settings, GXByteBuffer(encoded), _GXDataInfo())
    peer.setValue(settings, value)
    assert not int(value.error)
