"""Set-up and diagnostic classes whose methods mean something without the hardware behind them.

All of them are generic objects: a profile declares their values, a client may set what is writable, and what their
methods change is kept with the instance. What only a modem, a bus or a network could do is a function that the caller
gives; without it the method is refused.

| class | methods played |
|---|---|
| 23 HDLC setup | none; says how the HDLC server of the device behaves |
| 29 Auto connect, 100 NTP setup | connect, synchronize by the caller; keys added and deleted |
| 42 IPv4 setup, 48 IPv6 setup | addresses added and removed |
| 72 M-Bus client | install, deinstall, reset alarm, keys; the rest by the caller |
| 77 M-Bus diagnostic, 90 G3 MAC counters | reset |
| 91 G3 MAC setup | entries of the neighbour and POS tables |

Source: docs/protocols/cosem-objects.md §1; docs/protocols/cosem-functions.md §10.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, TypeVar

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import ActionReply, ContextInvoker, Invoker, Method
from hes.dlms.cosem.generic_object import GenericObject
from hes.dlms.cosem.inner_calls import members, number, octet_string
from hes.dlms.cosem.interface_classes import CLASSES, InterfaceClass
from hes.dlms.cosem.stateful_method import Answer, no_parameters
from hes.dlms.cosem.value_types import default_of
from hes.dlms.data import Data, Tag
from hes.dlms.hdlc.link_settings import ServerLinkSettings
from hes.dlms.hdlc.parameters import INFORMATION_OCTETS_MAX, WINDOW_MAX, Parameters
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

LIST_MAX: Final = 64  # addresses or keys of one list [A]

Work: TypeAlias = Callable[[Context[I], Any], Answer]


class SetupObject(GenericObject[I]):
    """A generic object with methods that know the object. All attributes may be written by `writable`."""

    __slots__ = ()

    def __init__(
        self,
        declared: InterfaceClass,
        logical_name: Obis | str,
        values: Mapping[str, Data] | None = None,
        *,
        methods: Mapping[str, Invoker[I]] | None = None,
        readable: Role = READERS,
        writable: Role = Role.MANAGEMENT,
        invocable: Role = Role.MANAGEMENT,
    ) -> None:
        """methods: what the hardware behind the object does, by name; they come before those played here."""
        super().__init__(
            declared,
            logical_name,
            values or {},
            writable=dict.fromkeys(declared.attributes[1:], writable),
            methods=methods,
            readable=readable,
            invocable=invocable,
        )
        self.roles |= invocable
        for name, (parse, work) in self.played().items():
            if name in declared.methods:
                index = declared.method_index(name)
                self.methods.setdefault(index, Method(invoke=_invoking(parse, work), invocable=invocable))

    def played(self) -> dict[str, tuple[Callable[[Data], Any], Work[I]]]:
        """The methods that this class plays: how their parameters are read and what they do."""
        return {}

    def index(self, name: str) -> int:
        return self.interface_class.attribute_index(name)

    def get_value(self, context: Context[I], name: str) -> Data:
        return self.value(context, self.index(name))

    def set_value(self, context: Context[I], name: str, value: Data) -> None:
        self.change(context, self.index(name), value)

    def to_default(self, context: Context[I], *names: str) -> None:
        """Zero, no elements, not specified."""
        for name in names:
            self.set_value(context, name, default_of(self.interface_class.attribute_type(self.index(name))))

    def add_element(self, context: Context[I], name: str, element: Data) -> ActionResult:
        """One more element of an array; one that is there already stays as it is [A]."""
        held = self.get_value(context, name).value
        if element in held:
            return ActionResult.SUCCESS
        if len(held) >= LIST_MAX:
            return ActionResult.OTHER_REASON
        self.set_value(context, name, data.array((*held, element)))
        return ActionResult.SUCCESS

    def remove_elements(self, context: Context[I], name: str, unwanted: Callable[[Data], bool]) -> ActionResult:
        """OTHER_REASON where there is none [A]."""
        held = self.get_value(context, name).value
        kept = tuple(element for element in held if not unwanted(element))
        if len(kept) == len(held):
            return ActionResult.OTHER_REASON
        self.set_value(context, name, data.array(kept))
        return ActionResult.SUCCESS


def _invoking(parse: Callable[[Data], Any], work: Work[I]) -> ContextInvoker[I]:
    def invoke(context: Context[I], parameters: Data | None) -> Answer:
        try:
            wanted = parse(Data(Tag.NULL, None) if parameters is None else parameters)
        except RemoteProtocolError:
            return ActionResult.TYPE_UNMATCHED
        return work(context, wanted)

    return invoke


def _u32(value: Data) -> int:
    return number(value, Tag.DOUBLE_LONG_UNSIGNED)


class HdlcSetup(SetupObject[I]):
    """Class 23, IEC HDLC setup: what the HDLC server of the device is told is what a client reads here."""

    __slots__ = ()

    def __init__(
        self,
        logical_name: Obis | str,
        values: Mapping[str, Data] | None = None,
        *,
        version: int = 1,
        readable: Role = READERS,
        writable: Role = Role.MANAGEMENT,
    ) -> None:
        """values: those not given are the defaults of an HDLC link: 9600 baud, window 1, 128 octets, 25 ms, 120 s."""
        octets = data.u16(128) if version else data.u8(128)
        defaults = {
            "comm_speed": data.enum(5),
            "window_size_transmit": data.u8(1),
            "window_size_receive": data.u8(1),
            "max_info_field_length_transmit": octets,
            "max_info_field_length_receive": octets,
            "inter_octet_time_out": data.u16(25),
            "inactivity_time_out": data.u16(120),
            "device_address": data.u16(16),
        }
        super().__init__(
            CLASSES[23, version], logical_name, {**defaults, **(values or {})}, readable=readable, writable=writable
        )

    def link_settings(self, context: Context[I]) -> ServerLinkSettings:
        """How the server behaves on a link that is opened now; numbers that HDLC cannot have are brought into range."""

        def within(name: str, highest: int) -> int:
            said: int = self.get_value(context, name).value
            return min(max(said, 1), highest)

        inactivity_s = self.get_value(context, "inactivity_time_out").value
        return ServerLinkSettings(
            limits=Parameters(
                transmit_octets=within("max_info_field_length_transmit", INFORMATION_OCTETS_MAX),
                receive_octets=within("max_info_field_length_receive", INFORMATION_OCTETS_MAX),
                transmit_window=within("window_size_transmit", WINDOW_MAX),
                receive_window=within("window_size_receive", WINDOW_MAX),
            ),
            inactivity_s=float(inactivity_s) if inactivity_s else None,
        )


class Ipv4Setup(SetupObject[I]):
    """Class 42, IPv4 setup."""

    __slots__ = ()

    def played(self) -> dict[str, tuple[Callable[[Data], Any], Work[I]]]:
        multicast = "multicast_IP_address"

        def count(context: Context[I], _parameters: None) -> Answer:
            held = self.get_value(context, multicast).value
            return ActionReply(ActionResult.SUCCESS, axdr.encode(data.u16(len(held))))

        return {
            "add_mc_IP_address": (_u32, lambda context, ip: self.add_element(context, multicast, data.u32(ip))),
            "delete_mc_IP_address": (
                _u32,
                lambda context, ip: self.remove_elements(context, multicast, lambda held: held.value == ip),
            ),
            "get_nbof_mc_IP_addresses": (no_parameters, count),
        }


IPV6_LISTS: Final = ("unicast_IPv6_addresses", "multicast_IPv6_addresses", "gateway_IPv6_addresses")


class Ipv6Setup(SetupObject[I]):
    """Class 48, IPv6 setup. Addresses are added and removed as {0 unicast, 1 multicast, 2 gateway; 16 octets}."""

    __slots__ = ()

    def played(self) -> dict[str, tuple[Callable[[Data], Any], Work[I]]]:
        return {
            "add_IPv6_address": (_ipv6, lambda context, it: self.add_element(context, it[0], data.octets(it[1]))),
            "remove_IPv6_address": (
                _ipv6,
                lambda context, it: self.remove_elements(context, it[0], lambda held: held.value == it[1]),
            ),
        }


def _ipv6(value: Data) -> tuple[str, bytes]:
    kind, address = members(value, 2)
    which = number(kind, Tag.ENUM)
    if which >= len(IPV6_LISTS):
        raise RemoteProtocolError(f"IPv6 address type {which}")
    return IPV6_LISTS[which], octet_string(address, 16)


class NtpSetup(SetupObject[I]):
    """Class 100, NTP setup: keys are added (replacing one of the same number [A]) and deleted."""

    __slots__ = ()

    def played(self) -> dict[str, tuple[Callable[[Data], Any], Work[I]]]:
        keys = "authentication_keys"

        def add(context: Context[I], wanted: tuple[int, bytes]) -> Answer:
            key_id, key = wanted
            self.remove_elements(context, keys, lambda held: held.value[0].value == key_id)
            return self.add_element(context, keys, data.structure(data.u32(key_id), data.octets(key)))

        def delete(context: Context[I], key_id: int) -> Answer:
            return self.remove_elements(context, keys, lambda held: held.value[0].value == key_id)

        return {"add_authentication_key": (_ntp_key, add), "delete_authentication_key": (_u32, delete)}


def _ntp_key(value: Data) -> tuple[int, bytes]:
    key_id, key = members(value, 2)
    return _u32(key_id), octet_string(key)


KEY_SET: Final = 1
KEY_TRANSFERRED: Final = 2
_KEY_IN_USE: Final = 4


class MbusClient(SetupObject[I]):
    """Class 72, M-Bus client, version 0 or 1.

    slave_install takes an address that is not taken away from another slave: it is refused while one is installed [A].
    Keys are not kept here: `keys` hands them to the caller, encryption_key_status says how far they got.
    """

    __slots__ = ("_keys",)

    def __init__(
        self,
        logical_name: Obis | str,
        values: Mapping[str, Data] | None = None,
        *,
        version: int = 1,
        methods: Mapping[str, Invoker[I]] | None = None,
        keys: Callable[[I, float, bytes], ActionResult] | None = None,
        readable: Role = READERS,
        writable: Role = Role.MANAGEMENT,
        invocable: Role = Role.MANAGEMENT,
    ) -> None:
        """methods: capture, synchronize_clock and data_send by the bus. keys: (instance, now_s, octets) -> result."""
        self._keys = keys
        super().__init__(
            CLASSES[72, version],
            logical_name,
            values,
            methods=methods,
            readable=readable,
            writable=writable,
            invocable=invocable,
        )

    def played(self) -> dict[str, tuple[Callable[[Data], Any], Work[I]]]:
        played: dict[str, tuple[Callable[[Data], Any], Work[I]]] = {
            "slave_install": (lambda value: number(value, Tag.UNSIGNED), self._install),
            "slave_deinstall": (no_parameters, self._deinstall),
            "reset_alarm": (no_parameters, self._reset_alarm),
        }
        if self._keys is not None:
            played["set_encryption_key"] = (octet_string, self._taking_key(KEY_SET))
            played["transfer_key"] = (octet_string, self._taking_key(KEY_TRANSFERRED))
        return played

    def _install(self, context: Context[I], address: int) -> Answer:
        if self.get_value(context, "primary_address").value or not address:
            return ActionResult.OTHER_REASON
        self.set_value(context, "primary_address", data.u8(address))
        return ActionResult.SUCCESS

    def _deinstall(self, context: Context[I], _parameters: None) -> Answer:
        """The slave is forgotten: its address, what it said of itself, its alarm and its keys."""
        if not self.get_value(context, "primary_address").value:
            return ActionResult.OTHER_REASON
        gone = ["primary_address", "identification_number", "manufacturer_id", "version", "device_type"]
        gone += ["access_number", "status", "alarm"]
        if self.interface_class.version:
            gone.append("encryption_key_status")
        self.to_default(context, *gone)
        return ActionResult.SUCCESS

    def _reset_alarm(self, context: Context[I], _parameters: None) -> Answer:
        self.to_default(context, "alarm")
        return ActionResult.SUCCESS

    def _taking_key(self, reached: int) -> Work[I]:
        def take(context: Context[I], octets: bytes) -> Answer:
            assert self._keys is not None
            result = self._keys(context.instance, context.now_s, octets)
            if result is ActionResult.SUCCESS and self.interface_class.version:
                before = self.get_value(context, "encryption_key_status").value
                status = reached if before >= _KEY_IN_USE else before | reached
                self.set_value(context, "encryption_key_status", data.enum(status))
            return result

        return take


class Counters(SetupObject[I]):
    """A class of counters that `reset` sets to zero: 77 M-Bus diagnostic, 90 G3 MAC layer counters."""

    __slots__ = ()

    def played(self) -> dict[str, tuple[Callable[[Data], Any], Work[I]]]:
        def reset(context: Context[I], _parameters: None) -> Answer:
            names = [name for name in self.interface_class.attributes[1:] if "count" in name]
            self.to_default(context, *names)
            return ActionResult.SUCCESS

        return {"reset": (no_parameters, reset)}


class G3MacSetup(SetupObject[I]):
    """Class 91, G3-PLC MAC setup: an entry of a table by short address; OBJECT_UNAVAILABLE where there is none [A]."""

    __slots__ = ()

    def played(self) -> dict[str, tuple[Callable[[Data], Any], Work[I]]]:
        def entry_of(table: str) -> Work[I]:
            def look(context: Context[I], address: int) -> Answer:
                for entry in self.get_value(context, table).value:
                    if entry.value[0].value == address:
                        return ActionReply(ActionResult.SUCCESS, axdr.encode(entry))
                return ActionResult.OBJECT_UNAVAILABLE

            return look

        def short_address(value: Data) -> int:
            return number(value, Tag.LONG_UNSIGNED)

        tables = {
            "mac_get_neighbour_table_entry": "mac_neighbour_table",
            "mac_get_POS_table_entry": "mac_POS_table",
        }
        return {
            method: (short_address, entry_of(table))
            for method, table in tables.items()
            if table in self.interface_class.attributes
        }
