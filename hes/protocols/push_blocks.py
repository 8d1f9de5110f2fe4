"""Pushes that come in general blocks, put together for each pair of ends.

Source: docs/protocols/dlms-application.md §3 (general block transfer): window 0, nothing acknowledged.
"""

from __future__ import annotations

from typing import Final

from hes.dlms import apdu as apdus
from hes.dlms.codes import ApduTag
from hes.dlms.general_blocks import UnconfirmedBlocks
from hes.errors import RemoteProtocolError

ENDS_MAX: Final = 8  # pairs of ends with a push under way; the oldest is given up for one more [A]
_WINDOW: Final = 0x3F


def is_push_block(apdu: bytes) -> bool:
    """Whether this is a general block that nobody answers."""
    return len(apdu) > 3 and apdu[0] == ApduTag.GENERAL_BLOCK_TRANSFER and not apdu[1] & _WINDOW and any(apdu[2:4])


class PushBlocks:
    """lost: pushes of which a block did not come, or came out of turn."""

    def __init__(self) -> None:
        self.lost = 0
        self._under_way: dict[tuple[int, int], UnconfirmedBlocks] = {}

    def take(self, source: int, destination: int, apdu: bytes) -> bytes | None:
        """The whole APDU: at once when it is no block, else with its last block; None until then."""
        if not is_push_block(apdu):
            return apdu
        ends = (source, destination)
        blocks = self._under_way.pop(ends, None) or UnconfirmedBlocks()
        try:
            block = apdus.decode(apdu)
            assert isinstance(block, apdus.GeneralBlock)  # by its tag
            whole = blocks.take(block)
        except RemoteProtocolError:
            self.lost += 1
            return None
        if whole is None:
            self._under_way[ends] = blocks
            if len(self._under_way) > ENDS_MAX:
                del self._under_way[next(iter(self._under_way))]
        return whole
