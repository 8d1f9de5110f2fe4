"""Invocation counters of meters in a file, so that a restart, clean or not, repeats none and takes none again.

    send     blocks are reserved in the file before the first counter of them is used (`ReservedCounter`)
    receive  what the file says is at least as high as anything taken: it runs ahead by a block, and a request is
             carried out only after the file has it
    stop     `close` writes both as they are, so that only a crash skips counters

Counters belong to keys and not to security setups: a key that was replaced and comes back goes on where it was. A key
is known by a digest; the file holds no key. It is written whole: beside it first, then in its place.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from hes.dlms.security.control import INVOCATION_COUNTER_MAX
from hes.dlms.security.counters import ReservedCounter
from hes.errors import ConfigError, StoreError

FORMAT: Final = "amiloop meter counters"
VERSION: Final = 1
BLOCK: Final = 128
"""Counters reserved at a time, in both directions [A]."""
KEYS_MAX: Final = 1000
"""Keys whose counters are kept: a meter whose keys are changed more often is refused further ones [A]."""


@dataclass(slots=True)
class _Kept:
    """Of one key, as the file has it. send: the first counter never reserved. receive: nothing below is taken."""

    send: int
    receive: int


class KeyCounters:
    """Both directions of one key. expected: the lowest counter that will be taken from the peers."""

    __slots__ = ("_file", "_kept", "_send", "_start", "expected")

    def __init__(self, file: CounterFile, kept: _Kept) -> None:
        self._file, self._kept = file, kept
        self.expected = kept.receive
        self._send = ReservedCounter(self, BLOCK)

    def load(self) -> int:
        """`CounterStore`"""
        return self._kept.send

    def save(self, first_free: int) -> None:
        """`CounterStore`"""
        before, self._kept.send = self._kept.send, first_free
        try:
            self._file.write()
        except StoreError:
            self._kept.send = before
            raise

    def take(self) -> int:
        """The next counter to send. Raises LocalProtocolError when the key is used up, StoreError as `write` does."""
        return self._send()

    def advance(self, lowest: int) -> None:
        """Everything below `lowest` is used up, now and after a restart. Raises StoreError as `write` does."""
        if lowest > self._kept.receive:
            before, self._kept.receive = self._kept.receive, min(lowest + BLOCK, INVOCATION_COUNTER_MAX)
            try:
                self._file.write()
            except StoreError:
                self._kept.receive = before
                raise
        self.expected = max(self.expected, lowest)

    def settle(self) -> None:
        """Nothing more is sent or taken: what was only reserved is given back."""
        self._kept.send, self._kept.receive = self._send.next, self.expected


class CounterFile:
    """The counters in one file, which is this process's alone until `close`. owner: whose meters they are.

    Raises ConfigError for a file that is none of ours, is damaged, is of others or in use, or cannot be written.
    """

    def __init__(self, path: Path, owner: str) -> None:
        self._path, self._owner = path.resolve(), owner  # a link stays one, and has no lock of its own
        self._counters: dict[str, KeyCounters] = {}
        self._lock = _locked(self._path)
        try:
            self._kept = self._read()
            self.write()
        except StoreError as error:
            self._lock.close()
            raise ConfigError(error.message) from None
        except ConfigError:
            self._lock.close()
            raise

    def of_key(self, system_title: bytes, key: bytes, *, first: int = 0) -> KeyCounters:
        """Counters of a meter's key, from `first` on for one that was never seen here.

        Raises StoreError for one too many.
        """
        mark = hashlib.sha256(FORMAT.encode("ascii") + system_title + key).hexdigest()[:32]
        if mark not in self._counters:
            if mark not in self._kept and len(self._kept) >= KEYS_MAX:
                raise StoreError(f"{self._path} has the counters of {KEYS_MAX} keys, and takes no more")
            self._counters[mark] = KeyCounters(self, self._kept.setdefault(mark, _Kept(first, 0)))
        return self._counters[mark]

    def write(self) -> None:
        """Put everything into the file; returns when it is safe. Raises StoreError when it cannot be written."""
        body = {
            "owner": self._owner,
            "keys": {mark: [kept.send, kept.receive] for mark, kept in self._kept.items()},
        }
        text = json.dumps({"format": FORMAT, "version": VERSION, **body, "check": _check(body)}, indent=1) + "\n"
        beside = self._path.with_name(f"{self._path.name}.new")
        try:
            with beside.open("w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise StoreError(f"{self._path} cannot keep the counters: {error.strerror or error}") from None

    def close(self) -> None:
        """Write every counter as it is, and let go of the file."""
        for counters in self._counters.values():
            counters.settle()
        try:
            self.write()
        finally:
            self._lock.close()

    def _read(self) -> dict[str, _Kept]:
        try:
            octets = self._path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ConfigError(f"{self._path} cannot be read: {error.strerror}") from None
        try:
            found: Any = json.loads(octets)
        except ValueError:
            found = None
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise ConfigError(f"{self._path} is no file of counters, or a damaged one: name another file")
        if found.get("version") != VERSION:
            raise ConfigError(f"{self._path} has version {found.get('version')}, this amiloop reads {VERSION}")
        body = {"owner": found.get("owner"), "keys": found.get("keys")}
        if found.get("check") != _check(body):
            raise ConfigError(
                f"{self._path} is damaged, so its counters cannot be trusted: put a copy back or name another file"
            )
        if body["owner"] != self._owner:
            raise ConfigError(f"{self._path} is of {body['owner']}, not of {self._owner}: name another file")
        return {mark: _Kept(*numbers) for mark, numbers in found["keys"].items()}


def _check(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body).encode("ascii")).hexdigest()[:16]


def _locked(path: Path) -> IO[bytes]:
    """The file beside it that says that somebody works with it; the lock ends with the process, however that ends."""
    try:
        lock = path.with_name(f"{path.name}.lock").open("ab")
    except OSError as error:
        raise ConfigError(f"{path} cannot be kept there: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise ConfigError(f"{path} is in use by another meter: two would send the same counters") from None
    return lock
