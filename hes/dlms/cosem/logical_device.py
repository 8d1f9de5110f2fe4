"""A logical device: its objects, the clients that may associate, and how to find what belongs to one instance.

One `LogicalDevice` is shared by all meters of a profile and holds nothing of any of them; `I` is the type of the meter.
The objects that every device has (LDN, SAP assignment, associations, security setups, invocation counters) are added
unless they are given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Generic, TypeVar

from hes.dlms import axdr, data
from hes.dlms.cosem.access import EVERYONE, READERS, ClientAccess, Role
from hes.dlms.cosem.association_ln import CURRENT_ASSOCIATION, AssociationLn, encode_object_list
from hes.dlms.cosem.cosem_object import CosemObject
from hes.dlms.cosem.registers import DataObject
from hes.dlms.cosem.sap_assignment import SapAssignment
from hes.dlms.cosem.security_setup import SecuritySetup, invocation_counter
from hes.dlms.cosem.security_state import SecurityState
from hes.dlms.obis import Obis
from hes.errors import LocalProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

LOGICAL_DEVICE_NAME: Final = Obis.parse("0.0.42.0.0.255")
MANAGEMENT_LOGICAL_DEVICE: Final = 1
MAX_RECEIVE_PDU_SIZE: Final = 1224  # octets; a common meter buffer [A]


class LogicalDevice(Generic[I]):
    """Objects by logical name and clients by SAP, for every meter of a profile."""

    def __init__(
        self,
        *,
        name: Callable[[I], bytes],
        clients: Sequence[ClientAccess],
        objects: Iterable[CosemObject[I]],
        security: Callable[[I], SecurityState] | None = None,
        server_sap: int = MANAGEMENT_LOGICAL_DEVICE,
        max_receive_pdu_size: int = MAX_RECEIVE_PDU_SIZE,
        max_send_pdu_size: int = 0,
        security_setup_version: int = 0,
    ) -> None:
        """name: instance -> logical device name, up to 16 octets. security: instance -> its keys and counters.

        max_receive_pdu_size: octets of the longest APDU that the device takes. max_send_pdu_size: octets of the longest
        that it sends, where its own buffer is smaller than the client's; 0 where it is not.
        Raises LocalProtocolError when a logical name, a client SAP or a needed security state is given twice or not.
        """
        self.name = name
        self.security = security
        self.server_sap = server_sap
        self.max_receive_pdu_size = max_receive_pdu_size
        self.max_send_pdu_size = max_send_pdu_size
        self.clients = {client.client_sap: client for client in clients}
        if len(self.clients) != len(clients):
            raise LocalProtocolError("a client SAP is declared twice")
        self._objects: dict[bytes, CosemObject[I]] = {}
        for entry in objects:
            if entry.logical_name in self._objects:
                raise LocalProtocolError(f"{entry.logical_name} is declared twice", obis=str(entry.logical_name))
            self._objects[entry.logical_name] = entry
        for entry in self._standard_objects(security_setup_version):
            self._objects.setdefault(entry.logical_name, entry)
        self._object_lists: dict[Role, bytes] = {}

    def _standard_objects(self, security_setup_version: int) -> Iterator[CosemObject[I]]:
        def logical_device_name(instance: I, _now_s: float) -> bytes:
            return axdr.encode(data.octets(self.name(instance)))

        yield DataObject(LOGICAL_DEVICE_NAME, logical_device_name, readable=EVERYONE)
        yield SapAssignment(lambda instance: {self.server_sap: self.name(instance)})
        yield AssociationLn(CURRENT_ASSOCIATION, readable=EVERYONE)
        for index, client in enumerate(self.clients.values(), 1):
            yield AssociationLn(Obis(bytes((0, 0, 40, 0, index, 255))), client, readable=READERS)
        setups = {client.security_setup for client in self.clients.values() if client.security_setup is not None}
        for setup in sorted(setups):
            if self.security is None:
                raise LocalProtocolError("clients with a security setup need `security`")
            yield SecuritySetup(setup, self.security, version=security_setup_version)
            yield invocation_counter(setup, self.security)

    def find(self, logical_name: bytes) -> CosemObject[I] | None:
        return self._objects.get(logical_name)

    def __iter__(self) -> Iterator[CosemObject[I]]:
        """All objects, in the order they were declared."""
        return iter(self._objects.values())

    def object_list(self, role: Role) -> bytes:
        """The encoded object list as `role` sees it; made once, for all instances."""
        encoded = self._object_lists.get(role)
        if encoded is None:
            encoded = self._object_lists[role] = encode_object_list(self, role)
        return encoded
