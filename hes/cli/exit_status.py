"""Exit statuses, and which error ends a command with which."""

from __future__ import annotations

import errno
from enum import IntEnum
from typing import TypeGuard

from hes.errors import (
    AccessDenied,
    ConfigError,
    HesError,
    LinkError,
    LocalProtocolError,
    RemoteProtocolError,
    StoreError,
)


class ExitStatus(IntEnum):
    """What a shell script or a CI job may rely on. The last three follow the shell's 128 + signal."""

    OK = 0
    VERDICT_FAILED = 1
    USAGE = 2
    CONFIGURATION = 3
    LINK = 4
    STORE = 5
    INCONCLUSIVE = 6
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


# Read from the top, the first class that fits decides. A refusal is configuration: somebody must change a key, a
# password, a client or the rights in the meter. A peer that breaks a rule has failed a verdict. Our own bug says
# nothing about the device, so the outcome is inconclusive.
STATUS_OF: tuple[tuple[type[HesError], ExitStatus], ...] = (
    (ConfigError, ExitStatus.CONFIGURATION),
    (AccessDenied, ExitStatus.CONFIGURATION),
    (LinkError, ExitStatus.LINK),
    (StoreError, ExitStatus.STORE),
    (RemoteProtocolError, ExitStatus.VERDICT_FAILED),
    (LocalProtocolError, ExitStatus.INCONCLUSIVE),
)


def is_full(error: BaseException) -> TypeGuard[OSError]:
    """Whether a disk, or somebody's share of it, is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def exit_status(error: BaseException) -> ExitStatus:
    """The status for `error`: HesError by its class, a file that cannot be used as configuration, the rest 6.

    A HesError may carry its own status (an ExitStatus or its number) in the field `exit_status`.
    """
    if isinstance(error, HesError):
        own = error.fields.get("exit_status")
        if own is not None:
            return ExitStatus(own)
        return next((status for kind, status in STATUS_OF if isinstance(error, kind)), ExitStatus.INCONCLUSIVE)
    if isinstance(error, OSError) and (error.filename is not None or is_full(error)):
        return ExitStatus.CONFIGURATION
    return ExitStatus.INCONCLUSIVE
