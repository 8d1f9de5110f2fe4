"""The text of a station file: how the roles of a suite are played. Every key is described in docs/scenarios.md."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from hes import resources, toml_file
from hes.errors import ConfigError
from hes.toml_file import Faults
from sim.world import parse
from sim.world.units import duration_s, time_of_day_s
from sim.world.world import World

FOLDER = "scenarios/stations"
FIELDS = "scenarios/stations/fields"
KINDS = ("sim", "tcp", "pty")

Duration = Annotated[float, BeforeValidator(duration_s)]
DayTime = Annotated[int, BeforeValidator(time_of_day_s)]


class LineTable(BaseModel):
    """A serial line: its speed and the character format."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    baud: int = Field(default=9600, ge=300, le=115_200)
    response: Duration = Field(default=1.0, gt=0, le=60)


class StationTable(BaseModel):
    """The keys of a station file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = ""
    kind: Literal["sim", "tcp", "pty"]
    field: str
    begin: DayTime = 0
    limit: Duration = Field(default=600.0, gt=0)
    redial: tuple[Duration, Duration] = (30.0, 60.0)
    line: LineTable = LineTable()
    roles: dict[str, str] = Field(min_length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class StationPlan:
    """A station before it is built.

    name: of its file. world: the field's devices, media and time-outs. begin_epoch_s: civil time at which scenarios
    begin. limit_s: station time that one scenario may take. redial_s: rest of a concentrator before it dials again.
    roles: role -> name of the meter that plays it. files: what all this was read from.
    """

    name: str
    title: str
    kind: Literal["sim", "tcp", "pty"]
    world: World
    begin_epoch_s: float
    limit_s: float
    redial_s: tuple[float, float]
    line: LineTable
    roles: dict[str, str]
    files: tuple[Path, ...]

    @property
    def meter_names(self) -> tuple[str, ...]:
        """The population: all meters of the field, or those that have a role where a line has room for few."""
        if self.kind == "pty":
            return tuple(dict.fromkeys(self.roles.values()))
        return _names(self.world)


def shipped() -> tuple[str, ...]:
    """The names of the stations that come with amiloop."""
    return tuple(path.stem for path in resources.files(FOLDER))


def load(name_or_path: str, *, seed: int | None = None) -> StationPlan:
    """A station by the name of a shipped one or by the path of a file. Raises ConfigError that lists every fault.

    seed: instead of the field's own.
    """
    if "://" in name_or_path or name_or_path.startswith("/dev/"):
        raise ConfigError(
            f"{name_or_path} is an address, and a station is not: name {', '.join(shipped())} or the path of a station "
            "file; all of them bring simulated meters. A meter at an address is read with `amiloop read` or `scan`."
        )
    path = resources.file_or_shipped(name_or_path, FOLDER)
    file = toml_file.read(path)
    faults = Faults(file)
    try:
        table = StationTable.model_validate(file.values)
    except ValidationError as error:
        faults.add_invalid(error, StationTable, ())
        faults.raise_if_any()
        raise AssertionError("invalid values are faults") from error
    field_path = _field_path(table.field, path)
    world = parse.parse(toml_file.read(field_path))
    known = _names(world)
    for role, meter in table.roles.items():
        if meter not in known:
            faults.add(("roles", role), f"the field {world.name} has no meter {meter!r}")
    faults.raise_if_any()
    return StationPlan(
        name=path.stem,
        title=table.title or path.stem,
        kind=table.kind,
        world=world if seed is None else replace(world, seed=seed),
        begin_epoch_s=float(world.start_epoch_s + table.begin),
        limit_s=table.limit,
        redial_s=table.redial,
        line=table.line,
        roles=dict(table.roles),
        files=(path, field_path),
    )


def _names(world: World) -> tuple[str, ...]:
    return tuple(f"{dcu.name}-{index:04d}" for dcu in world.dcus for index in range(1, dcu.meter_count + 1))


def _field_path(name: str, station: Path) -> Path:
    """A field beside the station's file, or a shipped one."""
    beside = station.parent / name
    return beside if beside.is_file() else resources.file_or_shipped(name, FIELDS)
