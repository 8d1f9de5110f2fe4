"""Where the data files are: device profiles, load shapes, octet vectors and worlds.

A checkout and an installed wheel lay them out differently: the wheel carries `fixtures/` as `hes/_shipped/fixtures`
and the worlds inside the `scenarios` package beside `hes`. This is the one helper that knows; both layouts are tested.
"""

from __future__ import annotations

from pathlib import Path

from hes.errors import ConfigError

_HES = Path(__file__).resolve().parent
_SHIPPED = "_shipped"


def folder(name: str, *, hes_folder: Path = _HES) -> Path:
    """The folder of data called `name`, for example "fixtures/profiles" or "scenarios/worlds".

    hes_folder: where the package `hes` lies; tests point it at a wheel's layout.
    Raises ConfigError when neither layout holds the folder: the installation is incomplete.
    """
    candidates = (hes_folder.parent / name, hes_folder / _SHIPPED / name)
    # the wheel's copy wins: beside an installed `hes` a foreign package may own a folder of the same name
    for candidate in reversed(candidates):
        if candidate.is_dir():
            return candidate
    looked_in = " and ".join(str(candidate) for candidate in candidates)
    raise ConfigError(f"the data folder {name!r} is missing from this installation: looked for {looked_in}")


def files(name: str, suffix: str = ".toml", *, hes_folder: Path = _HES) -> tuple[Path, ...]:
    """Every file of a data folder that ends in `suffix`, sorted by name."""
    return tuple(sorted(path for path in folder(name, hes_folder=hes_folder).iterdir() if path.suffix == suffix))


def file(name: str, stem: str, suffix: str = ".toml", *, hes_folder: Path = _HES) -> Path:
    """The file `stem` + `suffix` in a data folder; ConfigError lists what there is."""
    home = folder(name, hes_folder=hes_folder)
    path = home / f"{stem}{suffix}"
    if path.parent == home and path.is_file():
        return path
    shipped = ", ".join(known.stem for known in files(name, suffix, hes_folder=hes_folder)) or "none"
    raise ConfigError(f"{name} holds no {stem!r}; it holds: {shipped}")


def file_or_shipped(path_or_stem: str, name: str, suffix: str = ".toml", *, hes_folder: Path = _HES) -> Path:
    """A file given by its path, or by the bare name of one that is shipped.

    "my/world.toml" is a path; "neighbourhood" means scenarios/worlds/neighbourhood.toml.
    Raises ConfigError when there is neither.
    """
    path = Path(path_or_stem)
    if path.is_file():
        return path
    if path.is_dir() and (len(path.parts) > 1 or path.is_absolute()):
        raise ConfigError(f"{path_or_stem} is a folder, not a {suffix} file")
    if path.suffix == suffix or len(path.parts) > 1:
        raise ConfigError(f"{path_or_stem}: there is no such file")
    return file(name, path_or_stem, suffix, hes_folder=hes_folder)
