"""The archive as the store has it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hes.devices.archive import Archive, load_archive
from hes.store.sqlite import SqliteStore
from hes.store.store import DeviceKind, NewDevice


def archive_of(path: Path, dcus: list[tuple[str, str]]) -> Archive:
    """dcus: (terminal ID, name); each has one meter."""
    devices = [NewDevice(kind=DeviceKind.DCU, number=number, name=name) for number, name in dcus]
    devices += [
        NewDevice(kind=DeviceKind.METER, number=f"{at:012d}", profile="ami-1p", dcu_number=number)
        for at, (number, _) in enumerate(dcus)
    ]

    async def main() -> Archive:
        store = await SqliteStore.open(path / "store.sqlite3")
        try:
            await store.add_devices(devices)
            return await load_archive(store)
        finally:
            await store.close()

    return asyncio.run(main())


def test_concentrators_of_one_name_stay_apart_and_keep_their_meters(tmp_path: Path) -> None:
    """Names are for people and may repeat: one of the two used to vanish, and its meters were asked at the other."""
    dcus = [("07310001", "Main Street"), ("07310002", "Main Street"), ("07310003", "Mill Lane"), ("07310004", "")]
    archive = archive_of(tmp_path, dcus)
    assert list(archive.dcus) == ["Main Street 07310001", "Main Street 07310002", "Mill Lane", "07310004"]
    for name, dcu in archive.dcus.items():
        (meter,) = archive.meters_of[name]
        assert int(meter.number) == int(dcu.terminal_id[-1]) - 1
