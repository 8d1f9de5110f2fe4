"""The reference meter on a link: its stations, what drives its deadlines, and how to reach and open it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from hes.clock import Clock, SystemClock
from hes.dlms.cosem.security_setup import invocation_counter_name
from hes.dlms.mode_e import SignOnSettings
from hes.dlms.security.control import SUITES
from hes.dlms.security.curves import public_octets_of
from hes.dlms.security.key_agreement import curve_of_suite
from hes.dlms.server import PhysicalDevice, PhysicalServer
from hes.entropy import Entropy, SystemEntropy
from hes.links.registry import Links
from sim.counter_file import CounterFile
from sim.expose import Announce, CountingEndpoint, serve_meters
from sim.meter_lines import HDLC_LOWER_FIRST, Station
from sim.reference import known_keys
from sim.reference.associations import OFFERS, SETUP_OPEN, SUITE_OF, Offer, name_of
from sim.reference.device import MANAGEMENT_SAP, logical_devices
from sim.reference.endpoint import CHALLENGE_OCTETS, ReferenceEndpoint
from sim.reference.life import Life
from sim.reference.meter import ReferenceMeter
from sim.reference.objects import NUMBER
from sim.reference.pushes import Pushes
from sim.reference.secrets_folder import PAIRS

NAME: Final = "reference"


class ReferenceMeters:
    """`sim.expose.Exposed`: the one reference meter with all its logical devices, on one line.

    state: file that keeps its invocation counters (`CounterFile`); without, they begin anew with each process.
    """

    def __init__(
        self, *, clock: Clock | None = None, entropy: Entropy | None = None, state: Path | None = None
    ) -> None:
        self.clock = clock or SystemClock()
        chance = entropy or SystemEntropy()
        self._counters = None if state is None else CounterFile(state, "the reference meter")
        self.meter = ReferenceMeter(self.clock.epoch_s(), chance.octets, self._counters)
        device = PhysicalDevice(logical_devices())
        self.server = PhysicalServer(device, self.meter, entropy=chance.octets, challenge_octets=CHALLENGE_OCTETS)
        management = next(each for each in device if each.server_sap == MANAGEMENT_SAP)
        self.pushes = Pushes(management, self.meter, self.clock)
        self.life = Life(self.meter, list(device), self.clock, self.pushes.send)
        self.stations = tuple(
            Station(
                CountingEndpoint(ReferenceEndpoint(self.server, each.server_sap, self.life)),
                each.server_sap,
                HDLC_LOWER_FIRST,
                f"{NAME}/{each.server_sap}",
            )
            for each in device
        )

    def close(self) -> None:
        """It serves nobody any more. Raises StoreError when the counters cannot be written."""
        if self._counters is not None:
            self._counters.close()


async def serve_reference(
    links: Links,
    url: str,
    announce: Announce,
    *,
    hdlc: bool,
    sign_on: SignOnSettings | None = None,
    state: Path | None = None,
) -> None:
    """Serve the reference meter at `url` until cancelled. state: see `ReferenceMeters`.

    Raises as `serve_meters` and `CounterFile` do.
    """
    meters = ReferenceMeters(state=state)
    meters.life.begin()
    try:
        own = None if sign_on is None else replace(sign_on, address=NUMBER)
        await serve_meters(links, url, meters, announce, hdlc=hdlc, sign_on=own)
    finally:
        meters.life.end()
        meters.close()


def reference_offer(*, hdlc: bool) -> dict[str, Any]:
    """What a client needs to know; the same fields as of a simulated meter, and more."""
    offer: dict[str, Any] = {
        "meter": NAME,
        "number": NUMBER,
        "profile": NAME,
        "server_sap": MANAGEMENT_SAP,
        "logical_devices": [device.server_sap for device in logical_devices()],
        "system_title": known_keys.SYSTEM_TITLE.hex().upper(),
        "client_system_title": known_keys.CLIENT_SYSTEM_TITLE.hex().upper(),
        "associations": [_association(offer) for offer in OFFERS],
        "test_keys": {"password": known_keys.PASSWORD.decode(), **_keys(SETUP_OPEN)},
        "setups": {str(setup): {"suite": suite, **_keys(setup)} for setup, suite in SUITE_OF.items()},
        "invocation_counter": str(invocation_counter_name(SETUP_OPEN)),
    }
    if hdlc:
        offer["hdlc_address"] = {"upper": MANAGEMENT_SAP, "lower": HDLC_LOWER_FIRST}
    return offer


def _association(offer: Offer) -> dict[str, Any]:
    return {
        "name": offer.name,
        "client_sap": offer.client_sap,
        "authentication": name_of(offer.mechanism),
        "mechanism": int(offer.mechanism),
        "setup": offer.setup,
        "invocation_counter": None if offer.setup is None else str(invocation_counter_name(offer.setup)),
    }


def _keys(setup: int) -> dict[str, str]:
    """Everything as hexadecimal digits; private keys of the test client as a number, public ones as X and Y."""
    suite = SUITE_OF[setup]
    keys = known_keys.global_keys(setup, suite)
    shown = {
        "encryption_key": keys.encryption,
        "authentication_key": keys.authentication,
        "master_key": known_keys.master_key(setup, suite),
    }
    if suite:
        size = curve_of_suite(SUITES[suite]).coordinate_octets
        for name, kind in PAIRS.items():
            private = known_keys.private_key("client", kind, suite).private_numbers().private_value
            shown[f"client_{name}_key"] = private.to_bytes(size, "big")
            shown[f"meter_{name}_key"] = public_octets_of(known_keys.private_key("meter", kind, suite))
    return {name: octets.hex().upper() for name, octets in shown.items()}
