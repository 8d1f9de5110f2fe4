"""The reference meter: one device whose whole state is in memory, until the process ends.

Only its invocation counters can outlive that, in a `CounterFile`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hes.dlms.cosem.access import SecurityPolicy
from hes.dlms.cosem.disconnect_control import ControlState
from hes.dlms.cosem.image.state import ImageMemory
from hes.dlms.cosem.object_state import ObjectStates
from hes.dlms.cosem.security_state import SecurityMemory
from sim.counter_file import CounterFile
from sim.reference import known_keys
from sim.reference.associations import OFFERS, SETUP_STRICT, STRICT_POLICY, SUITE_OF
from sim.reference.kept_security import KeptSecurity
from sim.reference.load_profile import LoadProfile

MESSAGE_OCTETS: Final = 5000
"""Of the long text that waits to be read."""


class ReferenceMeter:
    """State of the meter. clock_offset_s: what its own clock is ahead of true time.

    entropy: count -> that many octets fit for challenges and keys. states, class_states: what the objects of the
    management logical device and of the one with every class remember. counters: where the invocation counters are
    kept; in memory, so that they begin anew with the process, when it is None.
    """

    def __init__(self, now_s: float, entropy: Callable[[int], bytes], counters: CounterFile | None = None) -> None:
        self.clock_offset_s = 0.0
        self.relay = ControlState.CONNECTED
        self.relay_mode = 4
        self.long_value = bytes(place % 251 for place in range(MESSAGE_OCTETS))
        self.written = b""
        self.load_profile = LoadProfile(now_s)
        self.image = ImageMemory()
        self.states = ObjectStates()
        self.class_states = ObjectStates()
        self.security = _security(entropy, counters)


def _security(entropy: Callable[[int], bytes], counters: CounterFile | None) -> SecurityMemory:
    secrets = {offer.client_sap: known_keys.PASSWORD for offer in OFFERS}
    memory = (
        SecurityMemory(system_title=known_keys.SYSTEM_TITLE, secrets=secrets)
        if counters is None
        else KeptSecurity(system_title=known_keys.SYSTEM_TITLE, secrets=secrets, counters=counters)
    )
    for setup, suite in SUITE_OF.items():
        memory.add_setup(
            setup,
            known_keys.global_keys(setup, suite),
            master_key=known_keys.master_key(setup, suite),
            policy=STRICT_POLICY if setup == SETUP_STRICT else SecurityPolicy.NONE,
            send_counter=1,
            suite=suite,
            key_store=known_keys.key_store(suite, entropy),
        )
    return memory
