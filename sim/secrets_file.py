"""The test keys of a world, in the file that `amiloop decode --secrets` and `amiloop read --secrets` take.

They are derived from the world's seed, which stands in the world file: writing them down gives nothing away, and a
capture without them shows nothing. Only its owner may read the file all the same, as it has to be with real keys.
Format: docs/secrets.md.
"""

from __future__ import annotations

from pathlib import Path

from sim.meter.keys import meter_keys
from sim.world.population import Population

HEADER = """\
# TEST KEYS of the simulated meters of world {world}, seed {seed}. Never for a real meter.
# amiloop decode capture.pcapng --secrets {name}
"""


def write_secrets(population: Population, path: Path) -> None:
    """Write one [[device]] table per meter of the world."""
    world = population.world
    parts = [HEADER.format(world=world.name, seed=world.seed, name=path.name)]
    for device in population.meters.values():
        keys = meter_keys(world.seed, device.system_title)
        parts.append(
            "\n[[device]]\n"
            f'name = "{device.name}"\n'
            f'system_title = "{device.system_title.hex().upper()}"\n'
            f'encryption_key = "{keys.encryption_key.hex().upper()}"\n'
            f'authentication_key = "{keys.authentication_key.hex().upper()}"\n'
            f'password = "{keys.password.decode("ascii")}"\n'
        )
    path.touch(mode=0o600)  # before there is anything in it
    path.write_text("".join(parts), encoding="utf-8", newline="\n")
