"""The secrets file: keys, passwords and names of key files, for one device or for many, as TOML.

Nothing in it is ever shown: an error names file and entry and never repeats a value. Format: docs/secrets.md.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hes.dlms.security.curves import P_256, P_384
from hes.errors import ConfigError

KEY_OCTETS: Final = (16, 32)
TITLE_OCTETS: Final = 8
SECRETS_OCTETS_MAX: Final = 64 * 1024 * 1024


class HexText:
    """Hex digits for one of a few lengths. What was given is never repeated in an error: it may be a key."""

    def __init__(self, what: str, *octets: int) -> None:
        self.what = what
        self.octets = octets

    def parse(self, text: str) -> bytes:
        """Raises ValueError with a sentence that does not hold the text."""
        wanted = " or ".join(f"{2 * count} hex digits" for count in self.octets)
        digits = text.strip().replace(":", "").replace(" ", "").replace("-", "")
        try:
            octets = bytes.fromhex(digits)
        except ValueError:
            raise ValueError(f"{self.what} is {wanted}; what is given is not hex") from None
        if len(octets) not in self.octets:
            raise ValueError(f"{self.what} is {wanted}; what is given has {len(digits)}")
        return octets


KEY: Final = HexText("a key", *KEY_OCTETS)
TITLE: Final = HexText("a system title", TITLE_OCTETS)
PUBLIC_KEY: Final = HexText("a public key (X and Y, never a private key)", P_256.public_octets, P_384.public_octets)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSecrets:
    """What one device knows, found by its system title. b"" where the file has none. Its repr shows no secret.

    signing_key_file, agreement_key_file, certificate_file: the client's own for this device, in place of those for any.
    """

    system_title: bytes
    name: str = ""
    encryption_key: bytes = field(default=b"", repr=False)
    authentication_key: bytes = field(default=b"", repr=False)
    dedicated_key: bytes = field(default=b"", repr=False)
    broadcast_key: bytes = field(default=b"", repr=False)
    master_key: bytes = field(default=b"", repr=False)
    password: bytes = field(default=b"", repr=False)
    signing_certificate_file: bytes = b""
    agreement_certificate_file: bytes = b""
    signing_public_key: bytes = b""
    agreement_public_key: bytes = b""
    signing_key_file: bytes = b""
    agreement_key_file: bytes = b""
    certificate_file: bytes = b""


class Secrets:
    """The contents of a secrets file. Its repr shows nothing."""

    NAMES: Final[dict[str, HexText | None]] = {
        "key": KEY,
        "auth_key": KEY,
        "dedicated_key": KEY,
        "broadcast_key": KEY,
        "master_key": KEY,
        "system_title": TITLE,
        "meter_title": TITLE,
        "password": None,
        "signing_key_file": None,
        "agreement_key_file": None,
        "certificate_file": None,
        "authorities_file": None,
    }
    DEVICE_NAMES: Final[dict[str, HexText | None]] = {
        "system_title": TITLE,
        "name": None,
        "encryption_key": KEY,
        "authentication_key": KEY,
        "dedicated_key": KEY,
        "broadcast_key": KEY,
        "master_key": KEY,
        "password": None,
        "signing_certificate_file": None,
        "agreement_certificate_file": None,
        "signing_public_key": PUBLIC_KEY,
        "agreement_public_key": PUBLIC_KEY,
        "signing_key_file": None,
        "agreement_key_file": None,
        "certificate_file": None,
    }

    def __init__(self, values: dict[str, bytes], devices: Iterable[DeviceSecrets] = (), *, path: str = "") -> None:
        self._values = values
        self.devices = {device.system_title: device for device in devices}
        self.path = path

    def __repr__(self) -> str:
        return f"Secrets({', '.join(sorted(self._values))}, {len(self.devices)} devices)"

    def get(self, name: str) -> bytes:
        """The octets of that name, b"" when the file has none."""
        return self._values.get(name, b"")

    def device(self, title: bytes) -> DeviceSecrets | None:
        """The device with that system title, or the only one there is where `title` is b"".

        None when the file has no devices. Raises ConfigError when it has none that fits, or several and no title.
        """
        if not self.devices:
            return None
        if not title and len(self.devices) == 1:
            return next(iter(self.devices.values()))
        if not title:
            raise ConfigError(
                f"the secrets file {self.path} has {len(self.devices)} devices: say which with --meter-title.",
                path=self.path,
            )
        found = self.devices.get(title)
        if found is None and not self._values.get("key"):
            raise ConfigError(
                f"the secrets file {self.path} has no device with system title {title.hex().upper()}.", path=self.path
            )
        return found

    @classmethod
    def read(cls, path: Path) -> Secrets:
        """Raises ConfigError that names file and entry but never a value."""
        table = _toml(path)
        listed = table.pop("device", [])
        if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
            raise ConfigError(
                f"devices in the secrets file {path} are tables that begin with [[device]].", path=str(path)
            )
        values = {name: _value(path, cls.NAMES, name, value) for name, value in table.items()}
        devices = [cls._device(path, number, entry) for number, entry in enumerate(listed, 1)]
        if len({device.system_title for device in devices}) < len(devices):
            raise ConfigError(f"two devices in the secrets file {path} have the same system title.", path=str(path))
        return cls(values, devices, path=str(path))

    @classmethod
    def _device(cls, path: Path, number: int, entry: dict[str, Any]) -> DeviceSecrets:
        values: dict[str, Any] = {
            name: _value(path, cls.DEVICE_NAMES, name, value, f" of device {number}") for name, value in entry.items()
        }
        if "system_title" not in values:
            raise ConfigError(f"device {number} in the secrets file {path} has no system_title.", path=str(path))
        return DeviceSecrets(**values | {"name": values.get("name", b"").decode("utf-8")})


def _toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            octets = stream.read(SECRETS_OCTETS_MAX + 1)
        text = octets.decode("utf-8")
    except OSError as error:
        raise ConfigError(f"the secrets file {path} cannot be read: {error.strerror}.", path=str(path)) from error
    except UnicodeDecodeError:
        raise ConfigError(f"the secrets file {path} is not UTF-8 text.", path=str(path)) from None
    if len(octets) > SECRETS_OCTETS_MAX:
        raise ConfigError(f"the secrets file {path} has more than {SECRETS_OCTETS_MAX >> 20} MiB.", path=str(path))
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise ConfigError(
            f'the secrets file {path} is not TOML; it has lines such as: key = "32 hex digits".', path=str(path)
        ) from None


def _value(path: Path, names: Mapping[str, HexText | None], name: str, value: object, where: str = "") -> bytes:
    """One entry as octets. Raises ConfigError that does not repeat it."""
    if name not in names:
        known = ", ".join(names)
        raise ConfigError(f"the secrets file {path} has an entry '{name}'{where}; known are: {known}.", path=str(path))
    if not isinstance(value, str):
        raise ConfigError(f"'{name}'{where} in the secrets file {path} must be text in quotes.", path=str(path))
    kind = names[name]
    if kind is None:
        return value.encode("utf-8")
    try:
        return kind.parse(value)
    except ValueError as error:
        raise ConfigError(f"'{name}'{where} in the secrets file {path}: {error}.", path=str(path)) from None
