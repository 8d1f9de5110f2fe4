"""Objects whose attributes are parameters that a client may set, and whose behaviour the standard defines.

What such an object remembers lives with the instance: `ObjectStates` maps the object's logical name to one frozen
dataclass. An object that nobody has touched has no entry there and answers from its initial state, which is shared by
all instances of the profile: a hundred thousand idle meters remember nothing. A change is always a new state put in
place of the old one, so a state read before a call is still whole after it, and a state can be kept or sent elsewhere.

Time: `next_deadline` says when the object next has something to do by itself, `run_due` does it. Nothing waits in here:
whoever holds the instance asks the `LogicalDevice` and calls it again at that time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Generic, TypeAlias, TypeVar

from hes.dlms import axdr
from hes.dlms.codes import DataAccessResult
from hes.dlms.cosem.access import READERS, Role
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.cosem_object import Attribute, CosemObject, Method
from hes.dlms.cosem.interface_classes import InterfaceClass
from hes.dlms.data import Data
from hes.dlms.obis import Obis
from hes.errors import LocalProtocolError, RemoteProtocolError

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile
S = TypeVar("S")

Apply: TypeAlias = Callable[[Context[I], S, Any], S | DataAccessResult]
"""(context, state, new value) -> the state with it, or why it is refused"""


class ObjectStates:
    """What the objects of one logical device of one instance remember, in memory.

    handled_until_s: world time up to which everything that fell due has been done; None before the device was first
    asked.
    """

    __slots__ = ("_states", "handled_until_s")

    def __init__(self) -> None:
        self._states: dict[bytes, Any] = {}
        self.handled_until_s: float | None = None

    def get(self, logical_name: bytes) -> Any | None:
        """The state of that object; None when nobody has touched it."""
        return self._states.get(logical_name)

    def put(self, logical_name: bytes, state: Any) -> None:
        self._states[bytes(logical_name)] = state

    def forget(self, logical_name: bytes) -> None:
        """Back to the initial state of the profile."""
        self._states.pop(bytes(logical_name), None)

    def __iter__(self) -> Iterator[tuple[bytes, Any]]:
        """(logical name, state) of every object that was touched, in the order of first touch."""
        return iter(self._states.items())

    def __len__(self) -> int:
        return len(self._states)


class StatefulObject(CosemObject[I], Generic[I, S]):
    """An object with a state of type `S`, a frozen slots dataclass, for each instance."""

    __slots__ = ("initial",)

    def __init__(
        self,
        interface_class: InterfaceClass,
        logical_name: Obis | str,
        attributes: dict[int, Attribute[I]],
        methods: dict[int, Method[I]] | None = None,
        *,
        initial: S,
    ) -> None:
        """initial: the state of an instance on which nothing has been changed yet."""
        super().__init__(interface_class, logical_name, attributes, methods)
        self.initial = initial

    @property
    def needs_states(self) -> bool:
        """Whether it can change at all: only then the device has to keep its state."""
        return True

    def state(self, context: Context[I]) -> S:
        """What the object remembers of the context's instance."""
        states = context.device.states
        kept: S | None = None if states is None else states(context.instance).get(self.logical_name)
        return self.initial if kept is None else kept

    def put(self, context: Context[I], state: S) -> None:
        """Remember `state` from now on. Raises LocalProtocolError when the device keeps no states."""
        if context.device.states is None:
            raise LocalProtocolError(f"{self!r} changes, but its device has no `states`")
        context.device.states(context.instance).put(self.logical_name, state)

    def next_deadline(self, context: Context[I]) -> float | None:
        """World time, seconds, of the next thing to do after `context.now_s`; None when there is none.

        Everything up to and including `context.now_s` has been done. Objects that keep to the meter's own clock
        convert with `context.device.timekeeper`.
        """
        return None

    def run_due(self, context: Context[I]) -> None:
        """Do what falls due at `context.now_s`, the instant that `next_deadline` gave."""

    def powered_up(self, context: Context[I], off_since_s: float) -> None:
        """The device works again at `context.now_s` after it was off from `off_since_s`; nothing ran in between."""

    def clock_set(self, context: Context[I], before_s: float, after_s: float) -> None:
        """The own clock was set from `before_s` to `after_s` (own time) at `context.now_s`."""

    def stored(
        self,
        field: str,
        encode: Callable[[Any], Data],
        decode: Callable[[Data], Any] | None = None,
        *,
        apply: Apply[I, S] | None = None,
        readable: Role = READERS,
        writable: Role = Role.MANAGEMENT,
    ) -> Attribute[I]:
        """An attribute that shows the field of that name of the state, and may be written where `decode` is given.

        decode: the new value; raises RemoteProtocolError for data of another type. apply: what else the new value
        changes, and whether it is allowed; without it the field is replaced.
        """

        def get(context: Context[I], _selection: bytes) -> bytes:
            return axdr.encode(encode(getattr(self.state(context), field)))

        def put(context: Context[I], value: Data) -> DataAccessResult:
            assert decode is not None
            try:
                new = decode(value)
            except RemoteProtocolError:
                return DataAccessResult.TYPE_UNMATCHED
            present: Any = self.state(context)
            changed = replace(present, **{field: new}) if apply is None else apply(context, present, new)
            if isinstance(changed, DataAccessResult):
                return changed
            self.put(context, changed)
            return DataAccessResult.SUCCESS

        return Attribute(
            get=get,
            set=None if decode is None else put,
            readable=readable,
            writable=Role.NOBODY if decode is None else writable,
        )
