"""Which rule a server broke with what the client refuses: named once, behind the hot path, where an error passes.

Whoever raises knows best and gives the clause itself; whatever a decoder or the ciphering raised gets it here.
"""

from __future__ import annotations

from hes.dlms.block_transfer import BlockNumberError
from hes.dlms.findings import CLAUSES, FindingKind
from hes.dlms.security.errors import InvocationCounterError, SecurityError
from hes.errors import RemoteProtocolError

UNEXPECTED_ANSWER = CLAUSES[FindingKind.UNEXPECTED_ANSWER]
WRONG_INVOKE_ID = CLAUSES[FindingKind.WRONG_INVOKE_ID]
BLOCK_OUT_OF_TURN = CLAUSES[FindingKind.BLOCK_OUT_OF_TURN]
NOT_NEGOTIATED = CLAUSES[FindingKind.NOT_NEGOTIATED]
PROTECTION_TOO_WEAK = CLAUSES[FindingKind.PROTECTION_TOO_WEAK]
AUTHENTICATION = CLAUSES[FindingKind.AUTHENTICATION_FAILED]
REFLECTED = CLAUSES[FindingKind.REFLECTED]
OPENING = CLAUSES[FindingKind.AARE_UNEXPECTED]


def name_clause(error: RemoteProtocolError) -> None:
    """Give `error` the clause that its kind stands for, unless it has one."""
    if isinstance(error, InvocationCounterError):
        kind = FindingKind.REPLAYED
    elif isinstance(error, SecurityError):
        kind = FindingKind.DECIPHERING_FAILED
    elif isinstance(error, BlockNumberError):
        kind = FindingKind.BLOCK_OUT_OF_TURN
    else:
        kind = FindingKind.MALFORMED_APDU
    error.against(CLAUSES[kind])
