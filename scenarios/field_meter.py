"""A simulated meter as a bench hands it to its station: archive entry, test keys, the way to it, and the truth."""

from __future__ import annotations

from hes.clock import Clock
from hes.devices import profiles
from hes.devices.archive import DeviceId, MeterSecrets
from hes.devices.archive import Meter as ArchivedMeter
from scenarios.bench import Way
from scenarios.played_meter import PlayedMeter
from sim.meter.capture import TrueRow, true_rows
from sim.meter.keys import meter_keys
from sim.world.population import MeterDevice


class FieldMeter:
    """One meter of the field. A scenarios.bench.BenchMeter."""

    def __init__(self, device: MeterDevice, number: int, played: PlayedMeter, way: Way, seed: int, clock: Clock):
        keys = meter_keys(seed, device.system_title)
        self.name = device.name
        self.way: Way = way
        self.secrets = MeterSecrets(keys.encryption_key, keys.authentication_key, keys.password)
        self.archived = ArchivedMeter(
            device_id=DeviceId(number),
            number=device.number,
            dcu=device.dcu,
            profile=profiles.load(device.profile),
            system_title=device.system_title,
            key_ref=device.system_title.hex(),
        )
        self._played = played
        self._clock = clock

    def true_rows(self, profile: str, from_s: int, to_s: int) -> list[TrueRow] | None:
        return true_rows(self._played.meter(), profile, self._clock.epoch_s(), from_s, to_s)
