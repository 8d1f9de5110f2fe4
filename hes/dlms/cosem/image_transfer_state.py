"""Image transfer, the machine: what the state of a transfer is and how it moves. Pure values, no object, no octets.

```
 NOT_INITIATED --INITIATE--> INITIATED --VERIFY--> VERIFYING --VERIFIED--> VERIFIED --ACTIVATE--> ACTIVATING
                                                      |                                            |     |
                                            VERIFICATION_FAILED                            ACTIVATED   ACTIVATION_FAILED
```

A new INITIATE starts over from every state but the two that are at work. Verification and activation may take time:
the state then knows when they end (`due_s`), and `settle` ends them, so that it does not matter whether a timer or
the next request comes first.

The state is plain data with no reference to a device: whoever keeps it across a power failure (blocks received
included) goes on where the transfer stopped.

Source: docs/protocols/cosem-objects.md §2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Final, Protocol

from hes.dlms.codes import ActionResult
from hes.errors import LocalProtocolError

IDENTIFICATION_OCTETS_MAX: Final = 255  # [A]
BLOCKS_MAX: Final = 1 << 20  # 128 KiB of bitmap [A]


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
    try:
        return TRANSITIONS[status][event]
    except KeyError:
        raise LocalProtocolError(f"{event.value!r} is not allowed while {status.name}") from None


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


Verifier = Callable[[], tuple[ImageToActivate, ...]]
"""looks at the stored image: what it holds, or () when it is not good"""
Activator = Callable[[], bool]
"""takes the image into use; False when that failed"""


@dataclass(slots=True)
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
    received: bytearray = field(default_factory=bytearray)
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


def initiate(
    state: ImageTransferState, store: ImageStore, identification: bytes, size: int, *, block_octets: int
) -> ActionResult:
    """Start over with an image of `size` octets. Refused while disabled or at work, and when it is too large."""
    refused = _refused(state)
    if refused is not None:
        return refused
    if not 0 < len(identification) <= IDENTIFICATION_OCTETS_MAX or not 0 < size <= block_octets * BLOCKS_MAX:
        return ActionResult.OTHER_REASON
    if not store.begin(identification, size):
        return ActionResult.OTHER_REASON
    state.status = step(state.status, Event.INITIATE)
    state.identification, state.size, state.block_octets = identification, size, block_octets
    state.received = bytearray(-(-state.block_count // 8))
    state.first_missing, state.to_activate, state.activate_next = 0, (), False
    return ActionResult.SUCCESS


def take_block(state: ImageTransferState, store: ImageStore, number: int, octets: bytes) -> ActionResult:
    """Keep one block. A block may come again; a wrong number is OTHER_REASON, a wrong length TYPE_UNMATCHED.

    Only an image that is being transferred takes blocks: once verification has started its octets stay as they are.
    """
    refused = _refused(state)
    if refused is not None:
        return refused
    if state.status is not ImageTransferStatus.INITIATED or not 0 <= number < state.block_count:
        return ActionResult.OTHER_REASON
    offset = number * state.block_octets
    if len(octets) != min(state.block_octets, state.size - offset):
        return ActionResult.TYPE_UNMATCHED
    store.write(offset, octets)
    state.received[number >> 3] |= 0x80 >> (number & 7)
    while state.first_missing < state.block_count and state.has_block(state.first_missing):
        state.first_missing += 1
    return ActionResult.SUCCESS


def verify(state: ImageTransferState, verifier: Verifier, *, now_s: float, duration_s: float) -> ActionResult:
    """Start to verify; TEMPORARY_FAILURE while that takes time. An image with gaps is refused and stays as it is."""
    if state.status is ImageTransferStatus.VERIFIED and state.enabled:
        return ActionResult.SUCCESS
    refused = _refused(state)
    if refused is not None:
        return refused
    if Event.VERIFY not in TRANSITIONS[state.status] or not state.complete:
        return ActionResult.OTHER_REASON
    state.status = step(state.status, Event.VERIFY)
    if duration_s > 0:
        state.due_s = now_s + duration_s
        return ActionResult.TEMPORARY_FAILURE
    _end_verification(state, verifier)
    return ActionResult.SUCCESS if state.status is ImageTransferStatus.VERIFIED else ActionResult.OTHER_REASON


def activate(
    state: ImageTransferState,
    verifier: Verifier,
    activator: Activator,
    *,
    now_s: float,
    verification_s: float,
    activation_s: float,
) -> ActionResult:
    """Take the image into use; one that has not been verified is verified first. TEMPORARY_FAILURE while at work."""
    refused = _refused(state)
    if refused is not None:
        return refused
    if Event.VERIFY in TRANSITIONS[state.status]:
        result = verify(state, verifier, now_s=now_s, duration_s=verification_s)
        if result is not ActionResult.SUCCESS:
            state.activate_next = result is ActionResult.TEMPORARY_FAILURE
            return result
    if Event.ACTIVATE not in TRANSITIONS[state.status]:
        return ActionResult.OTHER_REASON
    state.status = step(state.status, Event.ACTIVATE)
    if activation_s > 0:
        state.due_s = now_s + activation_s
        return ActionResult.TEMPORARY_FAILURE
    _end_activation(state, activator)
    return ActionResult.SUCCESS if state.status is ImageTransferStatus.ACTIVATED else ActionResult.OTHER_REASON


def settle(
    state: ImageTransferState, verifier: Verifier, activator: Activator, *, now_s: float, activation_s: float
) -> None:
    """End the work whose time has come. To be called before every look at the state, and when `due_s` is reached."""
    while state.due_s is not None and state.due_s <= now_s:
        ended_s, state.due_s = state.due_s, None
        if state.status is ImageTransferStatus.ACTIVATING:
            _end_activation(state, activator)
            continue
        _end_verification(state, verifier)
        if state.activate_next and state.status is ImageTransferStatus.VERIFIED:
            state.status = step(state.status, Event.ACTIVATE)
            state.due_s = ended_s + activation_s
        state.activate_next = False


def _refused(state: ImageTransferState) -> ActionResult | None:
    """Why no method may be invoked now: READ_WRITE_DENIED while disabled [A], TEMPORARY_FAILURE while at work."""
    if not state.enabled:
        return ActionResult.READ_WRITE_DENIED
    return ActionResult.TEMPORARY_FAILURE if state.busy else None


def _end_verification(state: ImageTransferState, verifier: Verifier) -> None:
    state.to_activate = verifier()
    state.status = step(state.status, Event.VERIFIED if state.to_activate else Event.VERIFICATION_FAILED)


def _end_activation(state: ImageTransferState, activator: Activator) -> None:
    state.status = step(state.status, Event.ACTIVATED if activator() else Event.ACTIVATION_FAILED)
