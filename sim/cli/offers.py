"""How to reach and open a simulated meter, for people and for programs."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from hes.devices.profiles import DeviceProfile
from sim.meter.keys import meter_keys
from sim.reference.secrets_folder import secrets_name
from sim.world.population import MeterDevice

AUTHENTICATION: Final = {
    "none": "none",
    "lls": "low (password)",
    "hls": "the manufacturer's own, not for amiloop read",
    "hls-md5": "md5 (password)",
    "hls-sha1": "sha1 (password)",
    "hls-gmac": "gmac (both keys)",
    "hls-sha256": "sha256 (password)",
    "hls-ecdsa": "ecdsa (key files)",
}
"""By the words of `amiloop read --auth`, with what it takes."""
ECDSA: Final = "hls-ecdsa"
CABLE_END: Final = "/dev/ttyOTHER"
"""In what is printed, for the port at the reader's end of the cable."""
TRIED: Final = ("public", "management", "reader", "by-hls-gmac", "by-hls-gmac-suite-1", "by-hls-gmac-suite-2")
"""Clients of the reference meter that `try:` shows; the others go alike [A]."""


def meter_offer(device: MeterDevice, profile: DeviceProfile, seed: int) -> dict[str, Any]:
    """What a client needs to know of a meter; every value is what a command line or a profile takes."""
    keys = meter_keys(seed, device.system_title)
    return {
        "meter": device.name,
        "number": device.number,
        "profile": profile.name,
        "server_sap": profile.server_sap,
        "system_title": device.system_title.hex().upper(),
        "associations": [
            {
                "name": offer.name,
                "client_sap": offer.client_sap,
                "authentication": offer.mechanism,
                "invocation_counter": None if offer.mechanism == "none" else str(profile.invocation_counter),
            }
            for offer in profile.associations
        ],
        "test_keys": {
            "password": keys.password.decode(),
            "encryption_key": keys.encryption_key.hex().upper(),
            "authentication_key": keys.authentication_key.hex().upper(),
        },
        "invocation_counter": str(profile.invocation_counter),
    }


def sign_on_lines(offer: dict[str, Any]) -> list[str]:
    """Whom a reader may ask for in a sign-on; nothing where there is none."""
    if "sign_on=mode-e" not in offer["url"]:
        return []
    numbers = " or ".join(each["number"] for each in offer["meters"])
    return [f"  signs on for device address {numbers}, and where none is asked for"]


def client_lines(offers: Iterable[dict[str, Any]]) -> list[str]:
    """The clients that meters know, profile by profile."""
    lines = []
    for offer in {offer["profile"]: offer for offer in offers}.values():
        lines.append(f"  clients of profile {offer['profile']}:")
        lines += _table(offer["associations"])
        lines.append(f"    invocation counter at {offer['invocation_counter']} (public client)")
    return lines


def _table(associations: Sequence[dict[str, Any]]) -> list[str]:
    """One line per client, in columns as wide as they need to be."""
    width = max(len(entry["name"]) for entry in associations)
    lines = []
    for entry in associations:
        how = AUTHENTICATION[entry["authentication"]]
        lines.append(f"    {entry['client_sap']:>3}  {entry['name']:<{width}}  authentication {how}")
    return lines


def key_lines(offer: dict[str, Any]) -> list[str]:
    """The secrets of one meter."""
    keys = offer["test_keys"]
    return [
        f"    password            {keys['password']}",
        f"    encryption key      {keys['encryption_key']}",
        f"    authentication key  {keys['authentication_key']}",
    ]


def reference_text(offer: dict[str, Any]) -> str:
    """How to reach and open the reference meter: every client with its mechanism, every key set."""
    how = "HDLC" if offer["framing"] == "hdlc" else "the DLMS wrapper"
    devices = " and ".join(map(str, offer["logical_devices"]))
    lines = [f"reference meter at {offer['url']}, on {how}; logical devices {devices}"]
    if "device" in offer:
        lines.append(f"  open {offer['device']} like a serial port")
    lines += sign_on_lines(offer)
    if "hdlc_address" in offer:
        lines.append(f"  HDLC server address {offer['server_sap']}/{offer['hdlc_address']['lower']} (upper/lower)")
    for setup in (None, *map(int, offer["setups"])):
        clients = [entry for entry in offer["associations"] if entry["setup"] == setup]
        if setup is None:
            lines.append("  clients without keys:")
        else:
            lines.append(f"  clients of security setup {setup}, invocation counter {clients[0]['invocation_counter']}:")
        lines += _table(clients)
    lines += kept_lines(offer)
    lines.append("  TEST KEYS, the same for everybody:")
    lines.append(f"    system title        {offer['system_title']}")
    lines.append(f"    of the test client  {offer['client_system_title']}, the one with known public keys")
    lines.append(f"    password, secret    {offer['test_keys']['password']}")
    for setup, keys in offer["setups"].items():
        lines.append(f"    security setup {setup}, suite {keys['suite']}:")
        lines += [f"      {name.replace('_', ' '):<20}  {keys[name]}" for name in keys if name != "suite"]
    lines += ["  try:", *(f"    {line}" for line in _reference_tries(offer))]
    if offer.get("secrets_folder") is None:
        ecdsa = [str(entry["client_sap"]) for entry in offer["associations"] if entry["authentication"] == ECDSA]
        lines.append(f"  clients {' and '.join(ecdsa)} need key files: --write-secrets FOLDER writes them")
    lines.append("  stop with Ctrl-C")
    return "\n".join(lines)


def kept_lines(offer: dict[str, Any]) -> list[str]:
    """What of a meter outlives the process."""
    if offer.get("state") is None:
        return [
            "  kept until it ends: clock, relay, objects, keys and invocation counters;",
            "    after a restart recorded ciphered requests are taken again (--state FILE keeps the counters)",
        ]
    return [
        "  kept until it ends: clock, relay, objects and keys",
        f"  kept from one start to the next: invocation counters, in {offer['state']}",
    ]


def _reference_tries(offer: dict[str, Any]) -> list[str]:
    """Commands that can be pasted, one for every way to differ: no keys, a password, both keys of each setup."""
    where = f"{shlex.quote(caller_url(offer['url']))}{framing_options(offer)}"
    clients = {entry["name"]: entry for entry in offer["associations"]}
    lines = [f"amiloop read {where} clock{_how_to_open(offer, clients[name])}" for name in TRIED]
    folder: str | None = offer.get("secrets_folder")
    if folder is not None:
        signing = [client for client in offer["associations"] if client["authentication"] == ECDSA]
        lines += [f"amiloop read {where} clock{_with_key_files(offer, client, Path(folder))}" for client in signing]
    return lines


def _with_key_files(offer: dict[str, Any], client: dict[str, Any], folder: Path) -> str:
    secrets = shlex.quote(str(folder / secrets_name(client["setup"])))
    suite = offer["setups"][str(client["setup"])]["suite"]
    return (
        f" --client {client['client_sap']} --auth ecdsa --suite {suite} --secrets {secrets}"
        f" --counter-object {client['invocation_counter']}"
    )


def _how_to_open(offer: dict[str, Any], client: dict[str, Any]) -> str:
    how = f" --client {client['client_sap']}"
    if client["authentication"] == "none":
        return how
    if client["authentication"] == "lls":
        return f"{how} --auth low --password {offer['test_keys']['password']}"
    keys = offer["setups"][str(client["setup"])]
    suite = f" --suite {keys['suite']}" if keys["suite"] else ""
    return (
        f"{how} --auth gmac{suite} --key {keys['encryption_key']} --auth-key {keys['authentication_key']}"
        f" --counter-object {client['invocation_counter']}"
    )


def caller_url(url: str) -> str:
    """Where a reader connects: the other end of a cable has a name that only its own machine knows."""
    scheme, _, rest = url.partition("://")
    if not scheme.startswith("serial"):
        return url
    _, mark, options = rest.partition("?")
    return f"serial://{CABLE_END}{mark}{options}"


def framing_options(offer: dict[str, Any], meter: int = 0) -> str:
    """What `amiloop read` has to be told about the framing: on a line it takes HDLC for granted, elsewhere not."""
    address = offer["meters"][meter].get("hdlc_address")
    if address is not None:
        return f" --hdlc --server {address['upper']}/{address['lower']}"
    return "" if offer["url"].startswith(("tcp://", "udp://")) else " --wrapper"
