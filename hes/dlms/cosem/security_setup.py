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
from hes.dlms.cosem.cosem_object import ActionReply, Attribute, CosemObject, Method, attribute
from hes.dlms.cosem.key_management import (
    KEY_AUTHENTICATION,
    KEY_BROADCAST,
    KEY_ENCRYPTION,
    KEY_MASTER,
    answer_agreement,
    keyed_octets,
)
from hes.dlms.cosem.key_store import KeyStore
from hes.dlms.cosem.registers import DataObject
from hes.dlms.cosem.security_certificates import METHODS as CERTIFICATE_METHODS
from hes.dlms.cosem.security_certificates import encode_certificates
from hes.dlms.cosem.security_state import SecurityState
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.dlms.security import SUITES, SecurityError
from hes.errors import RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

_SIGNING: Final = SecurityPolicy.SIGNED_REQUEST | SecurityPolicy.SIGNED_RESPONSE
_POLICY_MASK: Final = 0xFC
_KEYS_OF_VERSION: Final = (
    frozenset({KEY_ENCRYPTION, KEY_BROADCAST, KEY_AUTHENTICATION}),
    frozenset({KEY_ENCRYPTION, KEY_BROADCAST, KEY_AUTHENTICATION, KEY_MASTER}),
)


def invocation_counter_name(setup: int) -> Obis:
    """0.0.43.1.setup.255"""
    return Obis(bytes((0, 0, 43, 1, setup, 255)))


class SecuritySetup(CosemObject[I]):
    """Class 64, Security setup, version 0 (policy as a number 0..3) or 1 (policy as bits, key agreement, certificates).

    Key agreement and certificates need a key store in the `SecurityState`; without one they are OTHER_REASON.
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

        def suite(instance: I, _now_s: float) -> bytes:
            return axdr.encode(data.enum(state(instance).suite(setup)))

        def certificates(instance: I, _now_s: float) -> bytes:
            return encode_certificates(state(instance).key_store(setup))

        attributes: dict[int, Attribute[I]] = {
            2: Attribute(get=self._policy, readable=readable),
            3: attribute(suite, readable=readable),
            4: Attribute(get=self._client_title, readable=readable),
            5: attribute(title, readable=readable),
        }
        methods: dict[int, Method[I]] = {
            1: Method(invoke=self._activate, invocable=invocable),
            2: Method(invoke=self._transfer_keys, invocable=invocable),
        }
        if version:
            attributes[6] = attribute(certificates, readable=readable)
            methods[3] = Method(invoke=self._agree_on_keys, invocable=invocable)
            for index, work in CERTIFICATE_METHODS.items():
                methods[index] = Method(invoke=partial(self._with_store, work), invocable=invocable)
        super().__init__(
            interface_classes.SECURITY_SETUP_1 if version else interface_classes.SECURITY_SETUP,
            security_setup_name(setup),
            attributes,
            methods,
        )

    def _policy(self, context: Context[I], _selection: bytes) -> bytes:
        policy = self._state(context.instance).policy(self._setup)
        return axdr.encode(data.enum(int(policy) if self._version else NUMBER_OF_POLICY.get(policy, 0)))

    def _client_title(self, context: Context[I], _selection: bytes) -> bytes:
        """Of the client that last used this setup; before that, of the first that is declared with its title."""
        title = self._state(context.instance).client_title(self._setup)
        if not title:
            declared = [each for each in context.device.clients.values() if each.security_setup == self._setup]
            title = next((each.client_system_title for each in declared if each.client_system_title), b"")
        return axdr.encode(data.octets(title))

    def _activate(self, context: Context[I], parameters: Data | None) -> ActionResult:
        """A weaker policy is READ_WRITE_DENIED, one that the suite cannot do OTHER_REASON [A]."""
        if parameters is None or parameters.tag is not Tag.ENUM:
            return ActionResult.TYPE_UNMATCHED
        number: int = parameters.value
        wanted = SecurityPolicy(number) if self._version else POLICY_OF_NUMBER.get(number)
        if wanted is None or (number & ~_POLICY_MASK and self._version):
            return ActionResult.OTHER_REASON
        state = self._state(context.instance)
        if wanted & _SIGNING and state.key_store(self._setup) is None:
            return ActionResult.OTHER_REASON
        if state.policy(self._setup) & ~wanted:
            return ActionResult.READ_WRITE_DENIED
        state.raise_policy(self._setup, wanted)
        return ActionResult.SUCCESS

    def _transfer_keys(self, context: Context[I], parameters: Data | None) -> ActionResult:
        """All keys of the call are taken, or none: an unknown key_id or a key that does not unwrap changes nothing."""
        state = self._state(context.instance)
        wrapped = keyed_octets(parameters)
        if wrapped is None:
            return ActionResult.TYPE_UNMATCHED
        master_key = state.master_key(self._setup)
        if not master_key or not self._may_change(state, wrapped):
            return ActionResult.OTHER_REASON
        try:
            keys = {key_id: security.unwrap_key(master_key, octets) for key_id, octets in wrapped.items()}
        except RemoteProtocolError:
            return ActionResult.OTHER_REASON
        octets = SUITES[state.suite(self._setup)].key_octets
        if any(len(key) != octets for key in keys.values()):
            return ActionResult.OTHER_REASON
        context.after_answer.append(partial(self._replace, state, keys))
        return ActionResult.SUCCESS

    def _may_change(self, state: SecurityState, keys: dict[int, bytes]) -> bool:
        return bool(keys) and keys.keys() <= _KEYS_OF_VERSION[self._version] and state.keys(self._setup) is not None

    def _replace(self, state: SecurityState, keys: dict[int, bytes]) -> None:
        state.replace_keys(
            self._setup,
            encryption=keys.get(KEY_ENCRYPTION),
            authentication=keys.get(KEY_AUTHENTICATION),
            broadcast=keys.get(KEY_BROADCAST),
            master=keys.get(KEY_MASTER),
        )

    def _agree_on_keys(self, context: Context[I], parameters: Data | None) -> ActionResult | ActionReply:
        """The ephemeral unified scheme, all keys of the call or none; the client's signing key must be known here."""
        state = self._state(context.instance)
        proposed = keyed_octets(parameters)
        if proposed is None:
            return ActionResult.TYPE_UNMATCHED
        store = state.key_store(self._setup)
        if store is None or not self._may_change(state, proposed):
            return ActionResult.OTHER_REASON
        try:
            pairs = store.asymmetric_keys(context.client_system_title)
            if pairs.signing_key is None or pairs.peer_signing_key is None:
                return ActionResult.OTHER_REASON
            keys, answer = answer_agreement(
                proposed,
                store.entropy,
                suite=state.suite(self._setup),
                client_title=context.client_system_title,
                server_title=state.system_title,
                signing_key=pairs.signing_key,
                client_key=pairs.peer_signing_key,
            )
        except SecurityError:
            return ActionResult.OTHER_REASON
        context.after_answer.append(partial(self._replace, state, keys))
        return ActionReply(ActionResult.SUCCESS, answer)

    def _with_store(
        self,
        work: Callable[[KeyStore, Data | None, float], ActionReply],
        context: Context[I],
        parameters: Data | None,
    ) -> ActionResult | ActionReply:
        store = self._state(context.instance).key_store(self._setup)
        return ActionResult.OTHER_REASON if store is None else work(store, parameters, context.now_s)


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
