"""Image transfer, the client's side: what to send next, judged from what the meter says. No octets, no waiting.

`ImageTransferPlan.next_step` names one request; its outcome goes back in with `read` or `answered`. The plan never
sends a block blindly twice: after a round it asks the meter which blocks it has (from the bit-string where the meter
gives one, else from the number of the first missing block) and sends only those. Blocks of one round may be sent in
one go, also by broadcast: `blocks` lists them.

A transfer that was cut off is taken up again by a plan made with `resume=True`: it looks before it initiates.

Source: docs/protocols/cosem-objects.md §2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeAlias

from hes.dlms import data
from hes.dlms.codes import ActionResult, DataAccessResult, UnknownCode
from hes.dlms.cosem.image.state import ImageToActivate, ImageTransferStatus
from hes.dlms.data import Data
from hes.errors import LocalProtocolError

ROUNDS_MAX: Final = 16  # times that the missing blocks are sent before the plan gives up [A]

BLOCK_SIZE, BLOCKS_STATUS, FIRST_MISSING, ENABLED, STATUS, TO_ACTIVATE = 2, 3, 4, 5, 6, 7
INITIATE, BLOCK_TRANSFER, VERIFY, ACTIVATE = 1, 2, 3, 4


@dataclass(frozen=True, slots=True)
class ReadAttribute:
    """Read this attribute of the image transfer object and give the value to `read`."""

    attribute: int


@dataclass(frozen=True, slots=True)
class WriteAttribute:
    """Write it and give the result to `answered`."""

    attribute: int
    value: Data


@dataclass(frozen=True, slots=True)
class Invoke:
    """Invoke this method and give the result to `answered`."""

    method: int
    parameters: Data


@dataclass(frozen=True, slots=True)
class Poll:
    """The meter is at work: wait as long as seems right, then go on; the next step looks again."""


@dataclass(frozen=True, slots=True)
class Done:
    """Everything that was asked for is reached. status: attribute 6."""

    status: ImageTransferStatus


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The transfer cannot go on by itself. reason: a sentence for people."""

    reason: str


Step: TypeAlias = ReadAttribute | WriteAttribute | Invoke | Poll | Done | GivenUp


class Phase(Enum):
    """What the plan is about to find out or to reach, in the order it happens."""

    ENABLED = "enabled"
    BLOCK_SIZE = "block_size"
    RESUME = "resume"
    INITIATE = "initiate"
    SEND = "send"
    MISSING = "missing"
    VERIFY = "verify"
    VERIFYING = "verifying"
    INFO = "info"
    ACTIVATE = "activate"
    ACTIVATING = "activating"
    DONE = "done"
    GIVEN_UP = "given_up"


class ImageTransferPlan:
    """One image for one meter (or, with `blocks`, one image for many that share a broadcast).

    activate: False to stop after verification, when activation is left to a schedule. signature: compared with what
    the meter says it holds when given. by_bitmap: False for meters that do not let attribute 3 be read.
    """

    def __init__(
        self,
        image: bytes,
        identification: bytes,
        *,
        signature: bytes | None = None,
        activate: bool = True,
        resume: bool = False,
        by_bitmap: bool = True,
        rounds_max: int = ROUNDS_MAX,
    ) -> None:
        if not image or not identification:
            raise LocalProtocolError("an image transfer needs an image and its identification")
        self.image, self.identification, self.signature = image, identification, signature
        self.phase = Phase.ENABLED
        self.block_octets = 0
        self.rounds = 0
        self._activate, self._resume, self._by_bitmap, self._rounds_max = activate, resume, by_bitmap, rounds_max
        self._missing: list[int] = []
        self._write_enabled = self._polling = False
        self._reason = ""

    @property
    def block_count(self) -> int:
        """0 until the block size is known."""
        return -(-len(self.image) // self.block_octets) if self.block_octets else 0

    @property
    def missing(self) -> tuple[int, ...]:
        """Numbers of the blocks still to be sent in this round."""
        return tuple(self._missing)

    def block(self, number: int) -> Data:
        """Parameters of image_block_transfer for one block."""
        offset = number * self.block_octets
        return data.structure(data.u32(number), data.octets(self.image[offset : offset + self.block_octets]))

    def blocks(self) -> Iterator[Data]:
        """The rest of this round, for sending without asking in between; the round is then over."""
        numbers, self._missing = self._missing, []
        if numbers:
            self._round_sent()
        return (self.block(number) for number in numbers)

    def next_step(self) -> Step:
        """What to do now. Asking again without an outcome gives the same step."""
        if self._polling:
            self._polling = False
            return Poll()
        return _STEPS[self.phase](self)

    # -- outcomes

    def read(self, attribute: int, value: Any) -> None:
        """The plain value of an attribute that a `ReadAttribute` asked for.

        Raises LocalProtocolError for one that was not asked for. A value that no meter may give ends the plan.
        """
        step = _STEPS[self.phase](self)
        if not isinstance(step, ReadAttribute) or step.attribute != attribute:
            raise LocalProtocolError(f"attribute {attribute} was not asked for while {self.phase.value}")
        try:
            _READERS[attribute](self, value)
        except (TypeError, ValueError):
            self._give_up(f"the meter gave {value!r} for attribute {attribute}")

    def answered(self, result: ActionResult | DataAccessResult | UnknownCode) -> None:
        """The result of a `WriteAttribute` or `Invoke`; also that of a `ReadAttribute` that failed."""
        step = _STEPS[self.phase](self)
        if isinstance(step, ReadAttribute):
            self._not_readable(step.attribute, result)
        elif isinstance(step, WriteAttribute | Invoke):
            _ANSWERS[self.phase](self, result)
        else:
            raise LocalProtocolError(f"no answer was expected while {self.phase.value}")

    def _give_up(self, reason: str) -> None:
        self.phase, self._reason = Phase.GIVEN_UP, reason

    def _not_readable(self, attribute: int, result: int) -> None:
        if attribute == BLOCKS_STATUS:
            self._by_bitmap = False
        elif attribute == ENABLED:
            self.phase = Phase.BLOCK_SIZE  # some meters do not show it; a disabled one refuses to initiate
        elif attribute == TO_ACTIVATE:
            self._after_info()
        else:
            self._give_up(f"attribute {attribute} cannot be read: {result!r}")

    # -- readers

    def _read_enabled(self, value: Any) -> None:
        if not isinstance(value, bool):
            raise TypeError
        self._write_enabled = not value
        if value:
            self.phase = Phase.BLOCK_SIZE

    def _read_block_size(self, value: Any) -> None:
        if type(value) is not int or value <= 0:
            raise ValueError
        self.block_octets = value
        self.phase = Phase.RESUME if self._resume else Phase.INITIATE

    def _read_status(self, value: Any) -> None:
        status = ImageTransferStatus(value)
        if self.phase is Phase.RESUME:
            self.phase = _RESUMED.get(status, Phase.INITIATE)
            return
        if status in (ImageTransferStatus.VERIFYING, ImageTransferStatus.ACTIVATING):
            self._polling = True
        elif self.phase is Phase.VERIFYING:
            self._after_verifying(status)
        elif status is ImageTransferStatus.ACTIVATED:
            self.phase = Phase.DONE
        elif status is ImageTransferStatus.ACTIVATION_FAILED:
            self._give_up("the meter could not activate the image")
        else:
            self._give_up(f"status {status.name} after activation")

    def _after_verifying(self, status: ImageTransferStatus) -> None:
        if status is ImageTransferStatus.VERIFIED:
            self.phase = Phase.INFO
        else:
            self._give_up(f"the meter did not verify the image: status {status.name}")

    def _read_bitmap(self, value: Any) -> None:
        if not isinstance(value, str):
            raise TypeError
        # a slice, because a meter that knows fewer blocks gives fewer bits
        self._missing = [number for number in range(self.block_count) if value[number : number + 1] != "1"]
        self._next_round()

    def _read_first_missing(self, value: Any) -> None:
        if type(value) is not int or value < 0:
            raise ValueError
        # blocks behind the first gap may be there, but nothing says so: one at a time is asked for anew
        self._missing = [value] if value < self.block_count else []
        self._next_round()

    def _next_round(self) -> None:
        if not self._missing:
            self.phase = Phase.VERIFY
            return
        limit = self._rounds_max if self._by_bitmap else self._rounds_max + self.block_count
        if self.rounds >= limit:
            self._give_up(f"{len(self._missing)} blocks are still missing after {self.rounds} rounds")
            return
        self.phase = Phase.SEND

    def _read_info(self, value: Any) -> None:
        held = [ImageToActivate(*element) for element in value]
        for image in held:
            same = (image.size, image.identification) == (len(self.image), self.identification)
            if same and self.signature in (None, image.signature):
                self._after_info()
                return
        self._give_up(f"the meter holds another image: {held!r}")

    def _after_info(self) -> None:
        self.phase = Phase.ACTIVATE if self._activate else Phase.DONE

    # -- answers

    def _answered_enabled(self, result: int) -> None:
        if result == DataAccessResult.SUCCESS:
            self.phase = Phase.BLOCK_SIZE
        else:
            self._give_up(f"image transfer cannot be enabled: {result!r}")

    def _answered_initiate(self, result: int) -> None:
        if result == ActionResult.SUCCESS:
            self._missing = list(range(self.block_count))
            self.phase = Phase.SEND
        else:
            self._give_up(f"the meter does not take the image: {result!r}")

    def _answered_block(self, _result: int) -> None:
        """A refused block is simply still missing: the next round sends it again."""
        self._missing.pop(0)
        if not self._missing:
            self._round_sent()

    def _round_sent(self) -> None:
        self.rounds += 1
        self.phase = Phase.MISSING

    def _answered_verify(self, result: int) -> None:
        if result == ActionResult.SUCCESS:
            self.phase = Phase.INFO
        elif result == ActionResult.TEMPORARY_FAILURE:
            self.phase, self._polling = Phase.VERIFYING, True
        else:
            self._give_up(f"the meter did not verify the image: {result!r}")

    def _answered_activate(self, result: int) -> None:
        if result in (ActionResult.SUCCESS, ActionResult.TEMPORARY_FAILURE):
            self.phase, self._polling = Phase.ACTIVATING, result == ActionResult.TEMPORARY_FAILURE
        else:
            self._give_up(f"the meter did not activate the image: {result!r}")

    # -- steps

    def _enabled_step(self) -> Step:
        return WriteAttribute(ENABLED, data.boolean(value=True)) if self._write_enabled else ReadAttribute(ENABLED)

    def _initiate_step(self) -> Step:
        return Invoke(INITIATE, data.structure(data.octets(self.identification), data.u32(len(self.image))))

    def _missing_step(self) -> Step:
        return ReadAttribute(BLOCKS_STATUS if self._by_bitmap else FIRST_MISSING)

    def _done_step(self) -> Step:
        return Done(ImageTransferStatus.ACTIVATED if self._activate else ImageTransferStatus.VERIFIED)


_ZERO: Final = data.i8(0)

# where a transfer that was cut off is taken up again, by the status that the meter still shows
_RESUMED: Final = {
    ImageTransferStatus.INITIATED: Phase.MISSING,
    ImageTransferStatus.VERIFYING: Phase.VERIFYING,
    ImageTransferStatus.VERIFIED: Phase.INFO,
    ImageTransferStatus.ACTIVATING: Phase.ACTIVATING,
}

_STEPS: Final[dict[Phase, Callable[[ImageTransferPlan], Step]]] = {
    Phase.ENABLED: ImageTransferPlan._enabled_step,
    Phase.BLOCK_SIZE: lambda _plan: ReadAttribute(BLOCK_SIZE),
    Phase.RESUME: lambda _plan: ReadAttribute(STATUS),
    Phase.INITIATE: ImageTransferPlan._initiate_step,
    Phase.SEND: lambda plan: Invoke(BLOCK_TRANSFER, plan.block(plan._missing[0])),
    Phase.MISSING: ImageTransferPlan._missing_step,
    Phase.VERIFY: lambda _plan: Invoke(VERIFY, _ZERO),
    Phase.VERIFYING: lambda _plan: ReadAttribute(STATUS),
    Phase.INFO: lambda _plan: ReadAttribute(TO_ACTIVATE),
    Phase.ACTIVATE: lambda _plan: Invoke(ACTIVATE, _ZERO),
    Phase.ACTIVATING: lambda _plan: ReadAttribute(STATUS),
    Phase.DONE: ImageTransferPlan._done_step,
    Phase.GIVEN_UP: lambda plan: GivenUp(plan._reason),
}
_READERS: Final[dict[int, Callable[[ImageTransferPlan, Any], None]]] = {
    ENABLED: ImageTransferPlan._read_enabled,
    BLOCK_SIZE: ImageTransferPlan._read_block_size,
    STATUS: ImageTransferPlan._read_status,
    BLOCKS_STATUS: ImageTransferPlan._read_bitmap,
    FIRST_MISSING: ImageTransferPlan._read_first_missing,
    TO_ACTIVATE: ImageTransferPlan._read_info,
}
_ANSWERS: Final[dict[Phase, Callable[[ImageTransferPlan, int], None]]] = {
    Phase.ENABLED: ImageTransferPlan._answered_enabled,
    Phase.INITIATE: ImageTransferPlan._answered_initiate,
    Phase.SEND: ImageTransferPlan._answered_block,
    Phase.VERIFY: ImageTransferPlan._answered_verify,
    Phase.ACTIVATE: ImageTransferPlan._answered_activate,
}
