"""Associations that are there without an AARQ: what would have been agreed was declared.

They are made when their client first speaks, and kept only while blocks are on their way: nothing else of them has to
be remembered, keys and counters live with the instance. No RLRQ ends them, and no AARQ replaces them.

Source: docs/protocols/dlms-roles.md §1 (pre-established associations).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from hes.dlms.cosem.access import AssociationStatus, ClientAccess
from hes.dlms.cosem.context import Context
from hes.dlms.cosem.logical_device import LogicalDevice
from hes.dlms.findings import Finding
from hes.dlms.server.association import ServerAssociation
from hes.dlms.server.negotiation import offered
from hes.dlms.server.protection import Protection

I = TypeVar("I")  # noqa: E741 - the instance: one meter of the profile


def pre_established(
    device: LogicalDevice[I],
    instance: I,
    client: ClientAccess,
    status: Mapping[int, AssociationStatus],
    findings: list[Finding],
) -> ServerAssociation[I] | None:
    """The association of that client; None when none was declared, or when its keys are missing."""
    declared = client.pre_established
    if declared is None:
        return None
    (application_context,) = client.contexts
    protection: Protection | None = None
    if client.security_setup is not None and device.security is not None:
        try:
            protection = Protection(device.security(instance), client.security_setup, client.client_system_title)
        except LookupError:
            return None
    limits = (declared.client_max_receive_pdu_size, device.max_send_pdu_size)
    context = Context(
        instance=instance,
        device=device,
        client=client,
        application_context=application_context,
        conformance=offered(application_context, client),
        max_send_pdu_size=min([limit for limit in limits if limit], default=0),
        client_system_title=client.client_system_title,
        status=status,
        findings=findings,
    )
    return ServerAssociation(context, protection)
