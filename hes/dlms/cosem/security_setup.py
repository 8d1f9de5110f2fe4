"""Security setup, class 64: the policy, the titles, and how new keys arrive.

A policy can only be made stronger. New keys come wrapped with the master key; the answer still goes out under the old
ones, every APDU after it under the new ones.

Source: docs/protocols/dlms-application.md §5 (keys); docs/protocols/cosem-objects.md §1; dlms-roles.md §4.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

from hes.dlms import axdr, data, security
from hes.dlms.codes import ActionResult
from hes.dlms.cosem import interface_classes
from hes.dlms.cosem.access import (
    EVERYONE,
    NUMBER_OF_POLICY,
    POLICY_OF_NUMBER,
    READERS,
    Role,
    SecurityPolicy,
)
from hes.dlms.cosem.association_ln import security_setup_name
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import Attribute, CosemObject, Method, attribute, constant
from hes.dlms.cosem.registers import DataObject
from hes.dlms.cosem.security_state import SecurityState
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

KEY_ENCRYPTION: Final = 0  # global unicast encryption key
KEY_AUTHENTICATION: Final = 2
KEYS_MAX: Final = 4  # elements in one key transfer: there are four kinds of keys

_SUITE_0: Final = 0
_UNSUPPORTED_POLICY: Final = SecurityPolicy.SIGNED_REQUEST | SecurityPolicy.SIGNED_RESPONSE
_POLICY_MASK: Final = 0xFC


def invocation_counter_name(setup: int) -> Obis:
    """0.0.43.1.setup.255"""
    return Obis(bytes((0, 0, 43, 1, setup, 255)))


class SecuritySetup(CosemObject[I]):
    """Class 64, Security setup, version 0 (policy as a number 0..3) or 1 (policy as bits); suite 0.

    Key agreement, certificates and key pairs of version 1 are refused.
    """

    __slots__ = ("_setup", "_state", "_version")

    def __init__(
        self,
        setup: int,
        state: Callable[[I], SecurityState],
        *,
        version: int = 0,
        readable: Role = READERS,
        invocable: Role = Role.MANAGEMENT,
    ) -> None:
        self._setup, self._state, self._version = setup, state, version

        def title(instance: I, _now_s: float) -> bytes:
            return axdr.encode(data.octets(state(instance).system_title))

        client_title: Attribute[I] = Attribute(get=self._client_title, readable=readable)
        super().__init__(
            interface_classes.SECURITY_SETUP_1 if version else interface_classes.SECURITY_SETUP,
            security_setup_name(setup),
            {
                2: Attribute(get=self._policy, readable=readable),
                3: constant(data.enum(_SUITE_0), readable=readable),
                4: client_title,
                5: attribute(title, readable=readable),
            },
            {
                1: Method(invoke=self._activate, invocable=invocable),
                2: Method(invoke=self._transfer_keys, invocable=invocable),
            },
        )

    def _policy(self, context: Context[I], _selection: bytes) -> bytes:
        policy = self._state(context.instance).policy(self._setup)
        return axdr.encode(data.enum(int(policy) if self._version else NUMBER_OF_POLICY.get(policy, 0)))

    def _client_title(self, context: Context[I], _selection: bytes) -> bytes:
        return axdr.encode(data.octets(context.client_system_title))

    def _activate(self, context: Context[I], parameters: Data | None) -> ActionResult:
        """A weaker policy is READ_WRITE_DENIED, one that suite 0 cannot do OTHER_REASON [A]."""
        if parameters is None or parameters.tag is not Tag.ENUM:
            return ActionResult.TYPE_UNMATCHED
        number: int = parameters.value
        wanted = SecurityPolicy(number) if self._version else POLICY_OF_NUMBER.get(number)
        if wanted is None or (number & ~_POLICY_MASK and self._version) or wanted & _UNSUPPORTED_POLICY:
            return ActionResult.OTHER_REASON
        state = self._state(context.instance)
        if state.policy(self._setup) & ~wanted:
            return ActionResult.READ_WRITE_DENIED
        state.raise_policy(self._setup, wanted)
        return ActionResult.SUCCESS

    def _transfer_keys(self, context: Context[I], parameters: Data | None) -> ActionResult:
        """All keys of the call are taken, or none: an unknown key_id or a key that does not unwrap changes nothing."""
        state = self._state(context.instance)
        wrapped = _wrapped_keys(parameters)
        master_key = state.master_key(self._setup)
        if wrapped is None:
            return ActionResult.TYPE_UNMATCHED
        if not master_key or not wrapped or wrapped.keys() - {KEY_ENCRYPTION, KEY_AUTHENTICATION}:
            return ActionResult.OTHER_REASON
        try:
            keys = {key_id: security.unwrap_key(master_key, octets) for key_id, octets in wrapped.items()}
        except RemoteProtocolError:
            return ActionResult.OTHER_REASON
        present = state.keys(self._setup)
        if present is None or any(len(key) != len(present.encryption) for key in keys.values()):
            return ActionResult.OTHER_REASON
        context.after_answer.append(
            partial(
                state.replace_keys,
                self._setup,
                encryption=keys.get(KEY_ENCRYPTION),
                authentication=keys.get(KEY_AUTHENTICATION),
            )
        )
        return ActionResult.SUCCESS


def _wrapped_keys(parameters: Data | None) -> dict[int, bytes] | None:
    """Wrapped key by key_id; None when the parameters have another shape or name a key twice."""
    if parameters is None or parameters.tag is not Tag.ARRAY or len(parameters.value) > KEYS_MAX:
        return None
    wrapped: dict[int, bytes] = {}
    for element in parameters.value:
        if element.tag is not Tag.STRUCTURE or len(element.value) != 2:
            return None
        key_id, octets = element.value
        if key_id.tag is not Tag.ENUM or octets.tag is not Tag.OCTET_STRING or key_id.value in wrapped:
            return None
        wrapped[key_id.value] = octets.value
    return wrapped


def invocation_counter(setup: int, state: Callable[[I], SecurityState]) -> DataObject[I]:
    """0.0.43.1.setup: the lowest counter still acceptable [A]; readable by all, so that a client can catch up."""

    def read(instance: I, _now_s: float) -> bytes:
        return axdr.encode(data.u32(state(instance).receive_counter(setup)))

    return DataObject(invocation_counter_name(setup), read, readable=EVERYONE)


def security_policy_from_value(value: Any, version: int) -> SecurityPolicy:
    """Attribute 2 as a meter sent it. Raises RemoteProtocolError for a number that has no meaning."""
    policy = POLICY_OF_NUMBER.get(value) if version == 0 else SecurityPolicy(value) if isinstance(value, int) else None
    if policy is None:
        raise RemoteProtocolError(f"not a security policy: {value!r}")
    return policy
