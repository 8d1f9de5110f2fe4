"""What of a device profile is collected: a data item is a profile generic whose rows become readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hes.acquisition.grids import DAY_S, DailyGrid, Grid, PeriodGrid
from hes.devices.profiles import CapturedProfile, DeviceProfile
from hes.dlms.data import Tag
from hes.store.store import ChannelKind, NewChannel, Store

_KINDS = {"load-profile": ChannelKind.LOAD_PROFILE, "billing": ChannelKind.BILLING}
_TAGS = {
    "octet-string": Tag.OCTET_STRING,
    "date-time": Tag.DATE_TIME,
    "unsigned": Tag.UNSIGNED,
    "long-unsigned": Tag.LONG_UNSIGNED,
    "double-long-unsigned": Tag.DOUBLE_LONG_UNSIGNED,
    "double-long": Tag.DOUBLE_LONG,
    "long64-unsigned": Tag.LONG64_UNSIGNED,
}


@dataclass(frozen=True, slots=True)
class CollectedItem:
    """One profile generic as the collector sees it.

    channels: (column, channel id) for each column that measures; clock_column and status_column: their places in a
    row, None for no status; columns: how many a row must have.
    """

    name: str
    profile: CapturedProfile
    grid: Grid
    columns: int
    clock_column: int
    status_column: int | None
    channels: tuple[tuple[int, int], ...]


def new_channels(profile: DeviceProfile) -> list[NewChannel]:
    """The channels that a kind of meter fills, in the order of its profiles' columns."""
    return [
        NewChannel(
            name=column.name,
            class_id=column.item.class_id,
            obis=str(column.item.obis),
            attribute=column.item.attribute,
            kind=_KINDS[captured.name],
            unit=column.item.unit,
            scaler=column.item.scaler,
            data_type=int(_TAGS[column.item.type]),
        )
        for captured in profile.profiles
        for column in captured.channels
    ]


async def enter_items(store: Store, profile: DeviceProfile, zone: str) -> dict[str, CollectedItem]:
    """Enter a profile's channels in the store; returns its items by name. zone: where its days begin."""
    ids = await store.add_channels(new_channels(profile))
    items: dict[str, CollectedItem] = {}
    for captured in profile.profiles:
        own, ids = ids[: len(captured.channels)], ids[len(captured.channels) :]
        items[captured.name] = _item(captured, own, zone)
    return items


def _item(captured: CapturedProfile, ids: Sequence[int], zone: str) -> CollectedItem:
    period_s = captured.capture_period_s
    return CollectedItem(
        name=captured.name,
        profile=captured,
        grid=DailyGrid(zone) if period_s == DAY_S else PeriodGrid(period_s),
        columns=len(captured.columns),
        clock_column=next(column.index for column in captured.columns if column.is_clock),
        status_column=next((column.index for column in captured.columns if column.name == "status"), None),
        channels=tuple((column.index, id_) for column, id_ in zip(captured.channels, ids, strict=True)),
    )
