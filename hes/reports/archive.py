"""Devices and channels of a store, at hand by their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from hes.store import queries
from hes.store.store import Channel, Device


@dataclass(frozen=True, slots=True)
class Archive:
    devices: Mapping[int, Device]
    channels: Mapping[int, Channel]

    def dcu_name(self, device: Device) -> str:
        """The concentrator that `device` hangs on."""
        return self.name(device.dcu_id) if device.dcu_id is not None else "no concentrator"

    def name(self, device_id: int) -> str:
        device = self.devices.get(device_id)
        return f"device {device_id}" if device is None else device.name or device.number


def read_archive(connection: Connection) -> Archive:
    devices = queries.devices(connection, None, None)
    channels = queries.channels(connection)
    return Archive({device.id: device for device in devices}, {channel.id: channel for channel in channels})
