"""Disconnect control, class 70: the relay, and which of its moves a control mode allows.

```
                 a remote_reconnect                      d remote_reconnect
   CONNECTED <----------------------- DISCONNECTED -----------------------> READY_FOR_RECONNECTION
       |  `---- b remote_disconnect ------^  ^------ c remote_disconnect -------'       |   ^
       |                                                                                |   |
       |---------------------- f manual_disconnect, g local_disconnect -----------------+---'
       ^---------------------- e manual_reconnect, h local_reconnect -------------------'
```

Source: docs/protocols/cosem-objects.md §3.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, IntEnum
from typing import Final, TypeAlias, TypeVar

from hes.dlms import axdr, data
from hes.dlms.codes import ActionResult
from hes.dlms.cosem import interface_classes
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import ContextInvoker, CosemObject, Method, Writer, attribute
from hes.dlms.cosem.inner_calls import InnerContext
from hes.dlms.data import Data
from hes.dlms.obis import Obis

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile


class ControlState(IntEnum):
    """Attribute 3. Attribute 2, output_state, is true in CONNECTED only."""

    DISCONNECTED = 0
    CONNECTED = 1
    READY_FOR_RECONNECTION = 2


class Move(Enum):
    """Who wants the relay to move; the letters are those of the transitions in the table of modes."""

    REMOTE_DISCONNECT = "remote_disconnect"
    REMOTE_RECONNECT = "remote_reconnect"
    MANUAL_DISCONNECT = "manual_disconnect"
    MANUAL_RECONNECT = "manual_reconnect"
    LOCAL_DISCONNECT = "local_disconnect"
    LOCAL_RECONNECT = "local_reconnect"


_DISCONNECTED, _CONNECTED, _READY = ControlState

TRANSITIONS: Final[dict[str, tuple[Move, ControlState, ControlState]]] = {
    "a": (Move.REMOTE_RECONNECT, _DISCONNECTED, _CONNECTED),
    "b": (Move.REMOTE_DISCONNECT, _CONNECTED, _DISCONNECTED),
    "c": (Move.REMOTE_DISCONNECT, _READY, _DISCONNECTED),
    "d": (Move.REMOTE_RECONNECT, _DISCONNECTED, _READY),
    "e": (Move.MANUAL_RECONNECT, _READY, _CONNECTED),
    "f": (Move.MANUAL_DISCONNECT, _CONNECTED, _READY),
    "g": (Move.LOCAL_DISCONNECT, _CONNECTED, _READY),
    "h": (Move.LOCAL_RECONNECT, _READY, _CONNECTED),
}

MODES: Final[dict[int, str]] = {  # control_mode: transitions that it allows
    0: "",
    1: "bcfgde",
    2: "bcfgae",
    3: "bcgde",
    4: "bcgae",
    5: "bcfgdeh",
    6: "bcgdeh",
}

# where a move ends when the relay already is as far as the move would take it: nothing to do, and no error [A]
_ALREADY: Final = {
    Move.REMOTE_DISCONNECT: {_DISCONNECTED},
    Move.REMOTE_RECONNECT: {_CONNECTED, _READY},
    Move.MANUAL_DISCONNECT: {_DISCONNECTED, _READY},
    Move.MANUAL_RECONNECT: {_CONNECTED},
    Move.LOCAL_DISCONNECT: {_DISCONNECTED, _READY},
    Move.LOCAL_RECONNECT: {_CONNECTED},
}


def next_state(mode: int, state: ControlState, move: Move) -> ControlState | None:
    """The state that `move` leads to, `state` itself where there is nothing to do, None where the mode forbids it."""
    for letter in MODES.get(mode, ""):
        wanted, before, after = TRANSITIONS[letter]
        if wanted is move and before is state:
            return after
    allowed = any(TRANSITIONS[letter][0] is move for letter in MODES.get(mode, ""))
    return state if allowed and state in _ALREADY[move] else None


StateReader: TypeAlias = Callable[[I, float], ControlState]
"""(instance, now_s) -> control_state"""
Switch: TypeAlias = Callable[[I, float, ControlState], ActionResult]
"""(instance, now_s, state to reach) -> result; called only for a move that is allowed and changes something"""
ModeReader: TypeAlias = Callable[[I], int]


class DisconnectControl(CosemObject[I]):
    """Class 70, Disconnect control. The mode decides here; the instance only keeps its state and moves.

    A client's call, also by a schedule of its own, is a remote move; one that a limiter, a monitor or a credit sets
    off is a local one [A]. Manual moves (a button) come from the host, through `move`.
    """

    __slots__ = ("_mode", "_state", "_switch")

    def __init__(
        self,
        logical_name: Obis | str,
        *,
        state: StateReader[I],
        switch: Switch[I],
        mode: ModeReader[I] | int,
        write_mode: Writer[I] | None = None,
        readable: Role = READERS,
        invocable: Role = Role.MANAGEMENT,
    ) -> None:
        """mode: the control_mode 0..6, for all devices of the profile or of one. write_mode: stores a new mode."""
        read_mode: ModeReader[I] = (lambda _instance: mode) if isinstance(mode, int) else mode
        self._mode, self._state, self._switch = read_mode, state, switch

        def output_state(instance: I, now_s: float) -> bytes:
            return b"\x03\x01" if state(instance, now_s) is ControlState.CONNECTED else b"\x03\x00"

        def control_state(instance: I, now_s: float) -> bytes:
            return bytes((0x16, state(instance, now_s)))

        def control_mode(instance: I, _now_s: float) -> bytes:
            return axdr.encode(data.enum(read_mode(instance)))

        super().__init__(
            interface_classes.DISCONNECT_CONTROL,
            logical_name,
            {
                2: attribute(output_state, readable=readable),
                3: attribute(control_state, readable=readable),
                4: attribute(control_mode, write_mode, readable=readable),
            },
            {
                1: Method(
                    invoke=self._moving(Move.REMOTE_DISCONNECT, Move.LOCAL_DISCONNECT),
                    invocable=invocable,
                ),
                2: Method(
                    invoke=self._moving(Move.REMOTE_RECONNECT, Move.LOCAL_RECONNECT),
                    invocable=invocable,
                ),
            },
        )

    def state_of(self, context: Context[I]) -> ControlState:
        """Attribute 3."""
        return self._state(context.instance, context.now_s)

    def move(self, context: Context[I], move: Move) -> ActionResult:
        """Move the relay if its mode allows it, else READ_WRITE_DENIED [A]. Nothing to do is a success."""
        present = self._state(context.instance, context.now_s)
        wanted = next_state(self._mode(context.instance), present, move)
        if wanted is None:
            return ActionResult.READ_WRITE_DENIED
        if wanted is present:
            return ActionResult.SUCCESS
        return self._switch(context.instance, context.now_s, wanted)

    def _moving(self, remote: Move, local: Move) -> ContextInvoker[I]:
        def invoke(context: Context[I], parameters: Data | None) -> ActionResult:
            if parameters is not None and parameters.tag != data.Tag.INTEGER:
                return ActionResult.TYPE_UNMATCHED
            return self.move(context, local if isinstance(context, InnerContext) and context.local else remote)

        return invoke
