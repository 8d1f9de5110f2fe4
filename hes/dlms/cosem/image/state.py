"""Image transfer, the machine: what the state of a transfer is and how it moves. Pure values, no object, no octets.

```
 NOT_INITIATED --INITIATE--> INITIATED --VERIFY--> VERIFYING --VERIFIED--> VERIFIED --ACTIVATE--> ACTIVATING
                                                      |                                            |     |
                                            VERIFICATION_FAILED                            ACTIVATED   ACTIVATION_FAILED
```

A new INITIATE starts over from every state but the two that are at work. Verification and activation may take time:
the state then knows when they end (`due_s`), and `settle` ends them, so that it does not matter whether a timer or
the next request comes first.

The state is a value: every move gives a new one beside its result, or the same one when it is refused. Whoever keeps it
across a power failure (blocks received included) goes on where the transfer stopped.

Source: docs/protocols/cosem-objects.md §2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum, IntEnum
from typing import Final, Protocol, TypeAlias

from hes.dlms.codes import ActionResult
from hes.dlms.state_table import follow

IDENTIFICATION_OCTETS_MAX: Final = 255  # [A]
BLOCKS_MAX: Final = 1 << 18  # 32 KiB of bitmap [A]


class ImageTransferStatus(IntEnum):
    """Attribute 6."""

    NOT_INITIATED = 0
    INITIATED = 1
    VERIFYING = 2
    VERIFIED = 3
    VERIFICATION_FAILED = 4
    ACTIVATING = 5
    ACTIVATED = 6
    ACTIVATION_FAILED = 7


class Event(Enum):
    INITIATE = "initiate"
    VERIFY = "verify"
    VERIFIED = "verified"
    VERIFICATION_FAILED = "verification_failed"
    ACTIVATE = "activate"
    ACTIVATED = "activated"
    ACTIVATION_FAILED = "activation_failed"


_S, _E = ImageTransferStatus, Event

TRANSITIONS: Final[dict[ImageTransferStatus, dict[Event, ImageTransferStatus]]] = {
    _S.NOT_INITIATED: {_E.INITIATE: _S.INITIATED},
    _S.INITIATED: {_E.INITIATE: _S.INITIATED, _E.VERIFY: _S.VERIFYING},
    _S.VERIFYING: {_E.VERIFIED: _S.VERIFIED, _E.VERIFICATION_FAILED: _S.VERIFICATION_FAILED},
    _S.VERIFIED: {_E.INITIATE: _S.INITIATED, _E.ACTIVATE: _S.ACTIVATING},
    _S.VERIFICATION_FAILED: {_E.INITIATE: _S.INITIATED, _E.VERIFY: _S.VERIFYING},
    _S.ACTIVATING: {_E.ACTIVATED: _S.ACTIVATED, _E.ACTIVATION_FAILED: _S.ACTIVATION_FAILED},
    _S.ACTIVATED: {_E.INITIATE: _S.INITIATED},
    _S.ACTIVATION_FAILED: {_E.INITIATE: _S.INITIATED, _E.ACTIVATE: _S.ACTIVATING},
}


def step(status: ImageTransferStatus, event: Event) -> ImageTransferStatus:
    """The status after `event`. Raises LocalProtocolError where the table has none."""
    return follow(TRANSITIONS, status, event, "the image transfer")


@dataclass(frozen=True, slots=True)
class ImageToActivate:
    """One element of attribute 7: what a verified image holds. signature: b"" where there is none."""

    size: int
    identification: bytes
    signature: bytes = b""


class ImageStore(Protocol):
    """Where the octets of an image go. Belongs to the instance; must survive what the state survives."""

    def begin(self, identification: bytes, size: int) -> bool:
        """Make room for an image of `size` octets and forget the one before. False: there is no room."""
        ...

    def write(self, offset: int, octets: bytes) -> None:
        """Keep a part of it. Parts come in any order and more than once."""
        ...


@dataclass(slots=True)
class ImageMemory:
    """`ImageStore` in memory, for images of up to `octets_max`."""

    octets_max: int = 1 << 20
    body: bytearray = field(default_factory=bytearray)

    def begin(self, identification: bytes, size: int) -> bool:
        if size > self.octets_max:
            return False
        self.body = bytearray(size)
        return True

    def write(self, offset: int, octets: bytes) -> None:
        self.body[offset : offset + len(octets)] = octets


@dataclass(frozen=True, slots=True)
class ImageTransferState:
    """One transfer. block_octets: size of its blocks. received: block 0 is the most significant bit of octet 0.

    first_missing: number of the first block not yet received; the number of blocks when all are there.
    due_s: when the work at hand (VERIFYING, ACTIVATING) ends. activate_next: activation was asked for before
    verification.
    """

    enabled: bool = True
    status: ImageTransferStatus = ImageTransferStatus.NOT_INITIATED
    identification: bytes = b""
    size: int = 0
    block_octets: int = 0
    received: bytes = b""
    first_missing: int = 0
    to_activate: tuple[ImageToActivate, ...] = ()
    due_s: float | None = None
    activate_next: bool = False

    @property
    def block_count(self) -> int:
        return -(-self.size // self.block_octets) if self.block_octets else 0

    @property
    def complete(self) -> bool:
        return self.size > 0 and self.first_missing == self.block_count

    @property
    def busy(self) -> bool:
        return self.status in (ImageTransferStatus.VERIFYING, ImageTransferStatus.ACTIVATING)

    def has_block(self, number: int) -> bool:
        return bool(self.received[number >> 3] & (0x80 >> (number & 7)))


@dataclass(frozen=True, slots=True)
class ImageWork:
    """What a device does with a complete image, and how long that takes.

    verifier: looks at the stored image: what it holds, or () when it is not good.
    activator: takes the image into use; False when that failed.
    """

    verifier: Callable[[], tuple[ImageToActivate, ...]]
    activator: Callable[[], bool]
    verification_s: float = 0.0
    activation_s: float = 0.0


Moved: TypeAlias = tuple[ImageTransferState, ActionResult]


def initiate(
    state: ImageTransferState, store: ImageStore, identification: bytes, size: int, *, block_octets: int
) -> Moved:
    """Start over with an image of `size` octets. Refused while disabled or at work, and when it is too large."""
    refused = _refused(state)
    if refused is not None:
        return state, refused
    if not 0 < len(identification) <= IDENTIFICATION_OCTETS_MAX or not 0 < size <= block_octets * BLOCKS_MAX:
        return state, ActionResult.OTHER_REASON
    if not store.begin(identification, size):
        return state, ActionResult.OTHER_REASON
    block_count = -(-size // block_octets)
    begun = ImageTransferState(
        status=step(state.status, Event.INITIATE),
        identification=identification,
        size=size,
        block_octets=block_octets,
        received=bytes(-(-block_count // 8)),
    )
    return begun, ActionResult.SUCCESS


def take_block(state: ImageTransferState, store: ImageStore, number: int, octets: bytes) -> Moved:
    """Keep one block. A block may come again; a wrong number is OTHER_REASON, a wrong length TYPE_UNMATCHED.

    Only an image that is being transferred takes blocks: once verification has started its octets stay as they are.
    """
    refused = _refused(state)
    if refused is not None:
        return state, refused
    if state.status is not ImageTransferStatus.INITIATED or not 0 <= number < state.block_count:
        return state, ActionResult.OTHER_REASON
    offset = number * state.block_octets
    if len(octets) != min(state.block_octets, state.size - offset):
        return state, ActionResult.TYPE_UNMATCHED
    store.write(offset, octets)
    if state.has_block(number):
        return state, ActionResult.SUCCESS
    index = number >> 3
    marked = bytes((state.received[index] | 0x80 >> (number & 7),))
    state = replace(state, received=state.received[:index] + marked + state.received[index + 1 :])
    if number == state.first_missing:
        state = replace(state, first_missing=_first_missing(state, number))
    return state, ActionResult.SUCCESS


def verify(state: ImageTransferState, work: ImageWork, now_s: float) -> Moved:
    """Start to verify; TEMPORARY_FAILURE while that takes time. An image with gaps is refused and stays as it is."""
    if state.status is ImageTransferStatus.VERIFIED and state.enabled:
        return state, ActionResult.SUCCESS
    refused = _refused(state)
    if refused is not None:
        return state, refused
    if Event.VERIFY not in TRANSITIONS[state.status] or not state.complete:
        return state, ActionResult.OTHER_REASON
    state = replace(state, status=step(state.status, Event.VERIFY))
    if work.verification_s > 0:
        return replace(state, due_s=now_s + work.verification_s), ActionResult.TEMPORARY_FAILURE
    return _ended(_verified(state, work), ImageTransferStatus.VERIFIED)


def activate(state: ImageTransferState, work: ImageWork, now_s: float) -> Moved:
    """Take the image into use; one that has not been verified is verified first. TEMPORARY_FAILURE while at work."""
    refused = _refused(state)
    if refused is not None:
        return state, refused
    if Event.VERIFY in TRANSITIONS[state.status]:
        state, result = verify(state, work, now_s)
        if result is ActionResult.TEMPORARY_FAILURE:
            return replace(state, activate_next=True), result
        if result is not ActionResult.SUCCESS:
            return state, result
    if Event.ACTIVATE not in TRANSITIONS[state.status]:
        return state, ActionResult.OTHER_REASON
    state = replace(state, status=step(state.status, Event.ACTIVATE))
    if work.activation_s > 0:
        return replace(state, due_s=now_s + work.activation_s), ActionResult.TEMPORARY_FAILURE
    return _ended(_activated(state, work), ImageTransferStatus.ACTIVATED)


def settle(state: ImageTransferState, work: ImageWork, now_s: float) -> ImageTransferState:
    """End the work whose time has come. To be called before every look at the state, and when `due_s` is reached."""
    while state.due_s is not None and state.due_s <= now_s:
        ended_s, activate_next = state.due_s, state.activate_next
        state = replace(state, due_s=None, activate_next=False)
        if state.status is ImageTransferStatus.ACTIVATING:
            return _activated(state, work)
        state = _verified(state, work)
        if activate_next and state.status is ImageTransferStatus.VERIFIED:
            status = step(state.status, Event.ACTIVATE)
            state = replace(state, status=status, due_s=ended_s + work.activation_s)
    return state


def _refused(state: ImageTransferState) -> ActionResult | None:
    """Why no method may be invoked now: READ_WRITE_DENIED while disabled [A], TEMPORARY_FAILURE while at work."""
    if not state.enabled:
        return ActionResult.READ_WRITE_DENIED
    return ActionResult.TEMPORARY_FAILURE if state.busy else None


def _first_missing(state: ImageTransferState, number: int) -> int:
    while number < state.block_count and state.has_block(number):
        number += 1
    return number


def _verified(state: ImageTransferState, work: ImageWork) -> ImageTransferState:
    held = work.verifier()
    event = Event.VERIFIED if held else Event.VERIFICATION_FAILED
    return replace(state, status=step(state.status, event), to_activate=held)


def _activated(state: ImageTransferState, work: ImageWork) -> ImageTransferState:
    event = Event.ACTIVATED if work.activator() else Event.ACTIVATION_FAILED
    return replace(state, status=step(state.status, event))


def _ended(state: ImageTransferState, wanted: ImageTransferStatus) -> Moved:
    return state, ActionResult.SUCCESS if state.status is wanted else ActionResult.OTHER_REASON
