"""How to reach and open a simulated meter, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hes.devices.profiles import DeviceProfile
from sim.meter.keys import meter_keys
from sim.world.population import MeterDevice

AUTHENTICATION = {"none": "none", "lls": "low (password)", "hls-gmac": "gmac (both keys)"}


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
            {"name": offer.name, "client_sap": offer.client_sap, "authentication": offer.mechanism}
            for offer in profile.associations
        ],
        "test_keys": {
            "password": keys.password.decode(),
            "encryption_key": keys.encryption_key.hex().upper(),
            "authentication_key": keys.authentication_key.hex().upper(),
        },
        "invocation_counter": str(profile.invocation_counter),
    }


def client_lines(offers: Iterable[dict[str, Any]]) -> list[str]:
    """The clients that meters know, profile by profile."""
    lines = []
    for offer in {offer["profile"]: offer for offer in offers}.values():
        lines.append(f"  clients of profile {offer['profile']}:")
        lines += [
            f"    {entry['client_sap']:>3}  {entry['name']:<12} authentication "
            + AUTHENTICATION.get(entry["authentication"], entry["authentication"])
            for entry in offer["associations"]
        ]
        lines.append(f"    invocation counter at {offer['invocation_counter']} (public client)")
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
    lines = [f"reference meter at {offer['url']}, on {how}; logical devices {offer['logical_devices']}"]
    if "hdlc_address" in offer:
        lines.append(f"  HDLC server address {offer['server_sap']}/{offer['hdlc_address']['lower']} (upper/lower)")
    lines.append("  clients:")
    lines += [
        f"    {entry['client_sap']:>3}  {entry['name']:<14} authentication {entry['authentication']:<14}"
        + ("" if entry["setup"] is None else f" security setup {entry['setup']}")
        for entry in offer["associations"]
    ]
    lines.append("  TEST KEYS, the same for everybody:")
    lines.append(f"    system title        {offer['system_title']}")
    lines.append(f"    of the test client  {offer['client_system_title']}, the one with known public keys")
    lines.append(f"    password, secret    {offer['test_keys']['password']}")
    for setup, keys in offer["setups"].items():
        lines.append(f"    security setup {setup}, suite {keys['suite']}:")
        lines += [f"      {name.replace('_', ' '):<20}  {keys[name]}" for name in keys if name != "suite"]
    lines.append("  stop with Ctrl-C")
    return "\n".join(lines)
