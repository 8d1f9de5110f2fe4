"""Image transfer, class 18: the object around the machine of `image_transfer_state`.

What a client sees is settled first: a verification whose time is over has ended, whether a timer came round or not.

Source: docs/protocols/cosem-objects.md §2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeAlias, TypeVar

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import Attribute
from hes.dlms.cosem.image import state as machine
from hes.dlms.cosem.image.state import ImageStore, ImageToActivate, ImageTransferState, ImageWork
from hes.dlms.cosem.inner_calls import members, number, octet_string
from hes.dlms.cosem.interface_classes import CLASSES
from hes.dlms.cosem.object_state import StatefulObject
from hes.dlms.cosem.stateful_method import no_parameters, stateful_method
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile

IMAGE_TRANSFER_NAME: Final = Obis.parse("0.0.44.0.0.255")

ImageVerifier: TypeAlias = Callable[[I, ImageTransferState], tuple[ImageToActivate, ...]]
"""(instance, transfer) -> what the stored image holds, () when it is not good"""
ImageActivator: TypeAlias = Callable[[I, ImageTransferState], bool]
"""(instance, transfer) -> whether the image is in use now"""
Duration: TypeAlias = Callable[[I, ImageTransferState], float]
"""(instance, transfer) -> seconds that the work takes"""


class ImageTransfer(StatefulObject[I, ImageTransferState]):
    """Class 18, Image transfer. Verification and activation are the caller's; so is the room for the image."""

    __slots__ = ("_activator", "_block_octets", "_durations", "_store", "_verifier")

    def __init__(
        self,
        logical_name: Obis | str = IMAGE_TRANSFER_NAME,
        *,
        block_octets: int,
        store: Callable[[I], ImageStore],
        verifier: ImageVerifier[I],
        activator: ImageActivator[I],
        verification_s: Duration[I] | float = 0.0,
        activation_s: Duration[I] | float = 0.0,
        enabled: bool = True,
        readable: Role = READERS,
        invocable: Role = Role.MANAGEMENT,
    ) -> None:
        """store: instance -> where its image goes. enabled: whether a transfer may begin before attribute 5 is set."""
        self._block_octets, self._store = block_octets, store
        self._verifier, self._activator = verifier, activator
        self._durations = verification_s, activation_s

        def shown(encode: Callable[[ImageTransferState], bytes]) -> Attribute[I]:
            def get(context: Context[I], _selection: bytes) -> bytes:
                self.run_due(context)
                return encode(self.state(context))

            return Attribute(get=get, readable=readable)

        super().__init__(
            CLASSES[18, 0],
            logical_name,
            {
                2: shown(lambda _state: axdr.encode(data.u32(block_octets))),
                3: shown(_blocks_status),
                4: shown(lambda state: axdr.encode(data.u32(state.first_missing))),
                5: self.stored("enabled", data.boolean, _boolean, apply=_enable, readable=readable),
                6: shown(lambda state: bytes((Tag.ENUM, state.status))),
                7: shown(_to_activate),
            },
            {
                1: stateful_method(self, _initiation, self._initiate, invocable=invocable),
                2: stateful_method(self, _block, self._take_block, invocable=invocable),
                3: stateful_method(self, no_parameters, self._verify, invocable=invocable),
                4: stateful_method(self, no_parameters, self._activate, invocable=invocable),
            },
            initial=ImageTransferState(enabled=enabled),
        )

    def next_deadline(self, context: Context[I]) -> float | None:
        return self.state(context).due_s

    def run_due(self, context: Context[I]) -> None:
        state = self.state(context)
        settled = self._settled(context, state)
        if settled is not state:
            self.put(context, settled)

    def _work(self, context: Context[I]) -> ImageWork:
        state, instance = self.state(context), context.instance
        verification_s, activation_s = (
            seconds(instance, state) if callable(seconds) else seconds for seconds in self._durations
        )
        return ImageWork(
            lambda: self._verifier(instance, state),
            lambda: self._activator(instance, state),
            verification_s,
            activation_s,
        )

    def _settled(self, context: Context[I], state: ImageTransferState) -> ImageTransferState:
        return machine.settle(state, self._work(context), context.now_s)

    def _initiate(
        self, context: Context[I], state: ImageTransferState, wanted: tuple[bytes, int]
    ) -> tuple[ImageTransferState, ActionResult]:
        return machine.initiate(
            self._settled(context, state), self._store(context.instance), *wanted, block_octets=self._block_octets
        )

    def _take_block(
        self, context: Context[I], state: ImageTransferState, block: tuple[int, bytes]
    ) -> tuple[ImageTransferState, ActionResult]:
        return machine.take_block(self._settled(context, state), self._store(context.instance), *block)

    def _verify(
        self, context: Context[I], state: ImageTransferState, _parameters: None
    ) -> tuple[ImageTransferState, ActionResult]:
        return machine.verify(self._settled(context, state), self._work(context), context.now_s)

    def _activate(
        self, context: Context[I], state: ImageTransferState, _parameters: None
    ) -> tuple[ImageTransferState, ActionResult]:
        return machine.activate(self._settled(context, state), self._work(context), context.now_s)


def _enable(_context: Context[I], state: ImageTransferState, enabled: bool) -> ImageTransferState:
    return replace(state, enabled=enabled)


def _boolean(value: Data) -> bool:
    return bool(number(value, Tag.BOOLEAN))


def _initiation(value: Data) -> tuple[bytes, int]:
    identification, size = members(value, 2)
    return octet_string(identification), number(size, Tag.DOUBLE_LONG_UNSIGNED)


def _block(value: Data) -> tuple[int, bytes]:
    block_number, octets = members(value, 2)
    return number(block_number, Tag.DOUBLE_LONG_UNSIGNED), octet_string(octets)


def _blocks_status(state: ImageTransferState) -> bytes:
    return bytes((Tag.BIT_STRING,)) + axdr.encode_length(state.block_count) + state.received


def _to_activate(state: ImageTransferState) -> bytes:
    return axdr.encode(
        data.array(
            data.structure(data.u32(image.size), data.octets(image.identification), data.octets(image.signature))
            for image in state.to_activate
        )
    )
