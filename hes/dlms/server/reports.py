"""InformationReport: what the server says on its own inside an association with short names.

Source: docs/protocols/short-names.md §1, §3.
"""

from __future__ import annotations

from typing import Any

from hes.dlms.apdu import InformationReport
from hes.dlms.block_transfer import PDU_OCTETS_MAX
from hes.dlms.codes import Conformance
from hes.dlms.security.ciphering import CipheringStyle, KeyScope
from hes.dlms.server.association import ServerAssociation
from hes.errors import LocalProtocolError


def information_report(association: ServerAssociation[Any], report: InformationReport) -> bytes:
    """The octets to send; in a ciphered association authenticated and encrypted under the global key.

    Raises LocalProtocolError where reports were not negotiated, and for one that is longer than the client takes.
    """
    context = association.context
    if not context.application_context.short_names or Conformance.INFORMATION_REPORT not in context.conformance:
        raise LocalProtocolError(f"client {context.client.client_sap} has not agreed to information reports")
    octets = report.encode()
    if context.application_context.ciphered and association.protection is not None:
        ciphering = association.protection.ciphering
        octets = ciphering.protect(octets, key=KeyScope.GLOBAL, style=CipheringStyle.SERVICE_SPECIFIC)
    limit = context.max_send_pdu_size or PDU_OCTETS_MAX
    if len(octets) > limit:
        raise LocalProtocolError(f"the report has {len(octets)} octets, the client takes {limit}")
    return octets
