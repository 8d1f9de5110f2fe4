"""The declarations beside each other and beside an independent list of classes."""

import pytest
from gurux_dlms import GXDLMSClient
from gurux_dlms.enums import ObjectType

from hes.dlms.cosem import CLASSES, interface_class, name_of, name_of_method

# gurux declares these in another version, or not at all (docs/protocols/cosem-objects.md §1)
OTHER_AT_GURUX = {(15, 0), (15, 1), (28, 2), (40, 0), (47, 0), (61, 0), (64, 0), (68, 0)}
# and of these no method, where the fact base has one
METHODS_MISSING_AT_GURUX = {4}


@pytest.mark.parametrize("declared", CLASSES.values(), ids=lambda declared: f"{declared.class_id}v{declared.version}")
def test_every_declaration_is_well_formed(declared):
    assert declared.attributes[0] == "logical_name"
    assert len(set(declared.attributes)) == len(declared.attributes)
    assert len(set(declared.methods)) == len(declared.methods)
    assert declared.attribute_index("logical_name") == 1
    for index, name in enumerate(declared.methods, 1):
        assert declared.method_index(name) == index
    assert interface_class(declared.class_id, declared.version) is declared


@pytest.mark.parametrize(
    "declared",
    [declared for key, declared in CLASSES.items() if key not in OTHER_AT_GURUX],
    ids=lambda declared: f"{declared.class_id}v{declared.version}",
)
def test_counts_agree_with_gurux(declared):
    theirs = GXDLMSClient.createObject(ObjectType(declared.class_id))
    assert len(declared.attributes) == theirs.getAttributeCount()
    if declared.class_id not in METHODS_MISSING_AT_GURUX:
        assert len(declared.methods) == theirs.getMethodCount()


def test_names_for_people():
    assert name_of(3, 2) == "Register.value"
    assert name_of(15, 9, 1) == "Association LN.security_setup_reference"
    assert name_of(3, 9) == "Register attribute 9"
    assert name_of(9999, 3) == "class 9999 attribute 3"
    assert name_of(3, 2, version=7) == "class 3 attribute 2"
    assert name_of_method(70, 1) == "Disconnect control.remote_disconnect"
    assert name_of_method(70, 3) == "Disconnect control method 3"
    assert name_of_method(9999, 1) == "class 9999 method 1"


def test_the_newest_version_stands_for_the_class():
    assert interface_class(15).version == 3
    assert interface_class(64).version == 1
    assert interface_class(4242) is None
