"""Key pairs and certificates in Security setup version 1: methods 4 to 8 and attribute 6.

Each function carries out one method on the key store of an instance. What cannot be done is OTHER_REASON and changes
nothing; parameters of another shape are TYPE_UNMATCHED.

Source: docs/protocols/dlms-application.md §5 (certificates).
"""

from __future__ import annotations

from typing import Final

from hes.dlms import axdr, ber, data
from hes.dlms.codes import ActionResult
from hes.dlms.cosem.cosem_object import ActionReply
from hes.dlms.cosem.key_store import OWN_TYPES, KeyStore
from hes.dlms.data import Data, Tag
from hes.dlms.security.certificates import Certificate, CertificateEntity, CertificateType
from hes.dlms.security.errors import SecurityError
from hes.errors import RemoteProtocolError

_BY_OWNER, _BY_SERIAL = 0, 1
_SHAPE: Final = ActionReply(ActionResult.TYPE_UNMATCHED)
_REFUSED: Final = ActionReply(ActionResult.OTHER_REASON)
_DONE: Final = ActionReply(ActionResult.SUCCESS)


def encode_certificates(store: KeyStore | None) -> bytes:
    """Attribute 6: entity, type, serial number, issuer, subject and alternative name of each certificate."""
    entries = () if store is None else tuple(store)
    return axdr.encode(data.array([_info(store, entry) for entry in entries if store is not None]))


def _info(store: KeyStore, certificate: Certificate) -> Data:
    return data.structure(
        data.enum(store.entity_of(certificate)),
        data.enum(certificate.type),
        data.octets(certificate.serial_number),
        data.octets(certificate.issuer),
        data.octets(certificate.subject),
        data.octets(certificate.alternative_name),
    )


def generate_key_pair(store: KeyStore, parameters: Data | None, _now_s: float) -> ActionReply:
    kind = _kind(parameters)
    if kind is None:
        return _SHAPE
    if kind not in OWN_TYPES:
        return _REFUSED
    store.generate_key_pair(kind)
    return _DONE


def generate_certificate_request(store: KeyStore, parameters: Data | None, _now_s: float) -> ActionReply:
    kind = _kind(parameters)
    if kind is None:
        return _SHAPE
    try:
        request = store.certificate_request(kind)
    except LookupError:
        return _REFUSED
    return ActionReply(ActionResult.SUCCESS, axdr.encode(data.octets(request)))


def import_certificate(store: KeyStore, parameters: Data | None, now_s: float) -> ActionReply:
    if parameters is None or parameters.tag is not Tag.OCTET_STRING:
        return _SHAPE
    try:
        store.import_certificate(parameters.value, now_s)
    except SecurityError:
        return _REFUSED
    return _DONE


def export_certificate(store: KeyStore, parameters: Data | None, _now_s: float) -> ActionReply:
    found = _found(store, parameters)
    if not isinstance(found, Certificate):
        return found
    return ActionReply(ActionResult.SUCCESS, axdr.encode(data.octets(found.octets)))


def remove_certificate(store: KeyStore, parameters: Data | None, _now_s: float) -> ActionReply:
    found = _found(store, parameters)
    if not isinstance(found, Certificate):
        return found
    try:
        store.remove(found)
    except SecurityError:
        return _REFUSED
    return _DONE


METHODS: Final = {
    4: generate_key_pair,
    5: generate_certificate_request,
    6: import_certificate,
    7: export_certificate,
    8: remove_certificate,
}


def _kind(parameters: Data | None) -> CertificateType | None:
    if parameters is None or parameters.tag is not Tag.ENUM:
        return None
    return CertificateType(parameters.value) if parameters.value in set(CertificateType) else CertificateType.OTHER


def _found(store: KeyStore, parameters: Data | None) -> Certificate | ActionReply:
    """The certificate that is named by its owner, or by serial number and issuer."""
    match parameters:
        case Data(Tag.STRUCTURE, (Data(Tag.ENUM, choice), Data(Tag.STRUCTURE, fields))):
            found = _by_owner(store, fields) if choice == _BY_OWNER else None
            if choice == _BY_SERIAL:
                found = _by_serial(store, fields)
            return _REFUSED if found is None else found
    return _SHAPE


def _by_owner(store: KeyStore, fields: object) -> Certificate | ActionReply | None:
    match fields:
        case (Data(Tag.ENUM, entity), Data(Tag.ENUM, kind), Data(Tag.OCTET_STRING, title)):
            if entity not in set(CertificateEntity) or kind not in set(CertificateType):
                return None
            return store.find_by_owner(CertificateEntity(entity), CertificateType(kind), title)
    return _SHAPE


def _by_serial(store: KeyStore, fields: object) -> Certificate | ActionReply | None:
    match fields:
        case (Data(Tag.OCTET_STRING, serial_number), Data(Tag.OCTET_STRING, issuer)):
            return store.find_by_serial(serial_number, issuer) or store.find_by_serial(_contents(serial_number), issuer)
    return _SHAPE


def _contents(octets: bytes) -> bytes:
    """Of a DER integer; b"" when it is none. Some clients send tag and length of a serial number too."""
    try:
        start, end = ber.read_only(octets, 0, len(octets), ber.INTEGER, "serial number")
    except RemoteProtocolError:
        return b""
    return octets[start:end]
