"""Secrets of meters out of a secrets file, for whoever reads many of them: the collector.

A meter's key reference in the archive is its system title as 16 hex digits, as in its [[device]] table; a meter without
a table has what the file holds for any device. The head-end's own keys are read at once, so that it does not start with
wrong ones; what a device's table names is read when that meter is, so that a fault costs this meter only and what a
person puts right counts from the next reading on. Format: docs/secrets.md.
"""

from __future__ import annotations

from hes.devices.archive import MeterSecrets
from hes.devices.key_files import device_key_files, own_key_files
from hes.devices.secrets_file import TITLE, DeviceSecrets, Secrets
from hes.errors import ConfigError

_FOR_ANY = ("key", "password", "authorities_file")
"""With one of these in it, a file says something of meters that have no table."""


class FileKeys:
    """`KeyProvider` over a secrets file."""

    def __init__(self, secrets: Secrets) -> None:
        """Raises ConfigError for a file of the head-end's own that is not what its entry says."""
        self._secrets = secrets
        self._own = own_key_files(secrets)

    def __repr__(self) -> str:
        return f"FileKeys({self._secrets.path})"

    @property
    def system_title(self) -> bytes:
        """The head-end's own, b"" where the file does not say it."""
        return self._secrets.get("system_title")

    def secrets(self, key_ref: str) -> MeterSecrets:
        """Raises ConfigError when the file has nothing for the meter, or what it names is wrong."""
        secrets, device = self._secrets, self._device(key_ref)
        files = device_key_files(secrets, device, self._own)
        return MeterSecrets(
            encryption_key=device.encryption_key or secrets.get("key"),
            authentication_key=device.authentication_key or secrets.get("auth_key"),
            password=device.password or secrets.get("password"),
            pairs=files.pairs,
            authorities=files.authorities,
        )

    def _device(self, key_ref: str) -> DeviceSecrets:
        path = self._secrets.path
        try:
            title = TITLE.parse(key_ref)
        except ValueError:
            raise ConfigError(
                "the key reference of a meter in the archive is no system title of 16 hex digits: give it the one of "
                f"its [[device]] table in the secrets file {path}.",
                path=path,
            ) from None
        device = self._secrets.devices.get(title)
        if device is None and not any(map(self._secrets.get, _FOR_ANY)):
            raise ConfigError(
                f"the secrets file {path} has no device with system title {title.hex().upper()}: add a [[device]] "
                "table for it.",
                path=path,
            )
        return device or DeviceSecrets(system_title=title)
