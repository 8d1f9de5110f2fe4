"""gurux-dlms reads every attribute of our reference device into its own objects and writes it again: the same octets.

Where it does not, `DIFFERS` says why. Each reason is a limit of that peer, not of the octets.
"""

import pytest
from gurux_dlms import GXByteBuffer
from gurux_dlms._GXObjectFactory import _GXObjectFactory
from gurux_dlms.enums import ObjectType
from gurux_dlms.GXDLMSClient import GXDLMSClient
from gurux_dlms.internal._GXCommon import _GXCommon
from gurux_dlms.internal._GXDataInfo import _GXDataInfo

from hes.dlms.codes import DataAccessResult
from hes.dlms.cosem import Context
from hes.dlms.cosem.interface_classes import CLASSES
from hes.dlms.cosem.tests.gurux_octets import gurux_octets
from hes.dlms.cosem.tests.reference_device import MANAGER, ReferenceMeter, device

NOW_S = 1_734_264_000.0
DEVICE = device()

# classes whose objects gurux can read and write; of the others it knows the name only
COMPARED = (
    4, 5, 8, 18, 19, 21, 23, 27, 28, 29, 40, 41, 42, 43, 44, 45, 47, 48, 65, 70, 71, 72, 74, 90, 91, 92, 100, 111, 112,
    113, 115, 122, 123, 124, 151,
)  # fmt: skip

NO_SUCH_VERSION = "gurux does not know the attribute of this version"
UNKNOWN_TARGET = "gurux keeps a reference only to an object it has read"
NO_TYPE = "gurux does not keep the type of a value that may have several"
BITS_OF_OCTETS = "gurux forgets the length of a bit-string that is no multiple of 8"
DIFFERS = {
    (4, 0, 4): NO_TYPE,
    (5, 0, 2): NO_TYPE,
    (5, 0, 5): NO_TYPE,
    (21, 0, 2): "gurux writes thresholds as octets",
    (21, 0, 4): "gurux writes another head in front of the actions",
    (28, 2, 7): "gurux fails on an empty list of callers",
    (40, 1, 8): UNKNOWN_TARGET,
    (40, 2, 8): UNKNOWN_TARGET,
    (40, 3, 12): "gurux wants a date where none is specified",
    (40, 3, 13): "gurux wants a date where none is specified",
    (47, 0, 8): "gurux writes a capture time under its own tag",
    (47, 1, 8): "gurux writes a capture time under its own tag",
    (47, 2, 8): "gurux writes a capture time under its own tag",
    (71, 0, 2): UNKNOWN_TARGET,
    (74, 0, 1): "gurux takes the name of a master port for hexadecimal text",
    (112, 0, 7): BITS_OF_OCTETS,
    (113, 0, 9): BITS_OF_OCTETS,
    (123, 0, 2): UNKNOWN_TARGET,
    (124, 0, 7): UNKNOWN_TARGET,
    (151, 0, 2): NO_SUCH_VERSION,
    **{(65, 1, index): NO_SUCH_VERSION for index in range(5, 9)},
    **{(91, 4, index): NO_SUCH_VERSION for index in range(27, 30)},
    **{(92, 4, index): NO_SUCH_VERSION for index in range(24, 41)},
}


def test_every_difference_is_of_an_attribute_that_there_is():
    for class_id, version, index in DIFFERS:
        assert 1 <= index <= len(CLASSES[class_id, version].attributes)


@pytest.mark.parametrize("target", [entry for entry in DEVICE if entry.interface_class.class_id in COMPARED], ids=repr)
def test_gurux_reads_and_writes_the_same_octets(target):
    declared = target.interface_class
    client = GXDLMSClient(True)
    peer = _GXObjectFactory.createObject(ObjectType(declared.class_id))
    peer.version, peer.logicalName = declared.version, str(target.logical_name)
    context = Context(instance=ReferenceMeter(), device=DEVICE, client=MANAGER, now_s=NOW_S)
    compared = 0
    for index in sorted(target.attributes):
        ours = target.get(context, index)
        if isinstance(ours, DataAccessResult) or (declared.class_id, declared.version, index) in DIFFERS:
            continue
        value = _GXCommon.getData(client.settings, GXByteBuffer(ours), _GXDataInfo())
        client.updateValue(peer, index, value)
        assert gurux_octets(peer, index) == ours, declared.attributes[index - 1]
        compared += 1
    assert compared
