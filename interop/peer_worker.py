"""Runs the clients of others, as released, in a process that may be killed: some of them loop or spin for ever.

One JSON object per line on standard input says what to read and where; one line comes back: {"value": ...} or
{"error": "<type>: <message>"}. What the libraries print goes nowhere. Started by `meter_process.Worker`.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
from collections.abc import Callable
from typing import Any

from dlms_cosem import utils

from interop import gurux_matrix
from interop.dlms_cosem_client import DlmsCosem
from interop.gurux_client import Gurux

MEMORY_OCTETS_MAX = 1 << 30

PEERS: dict[str, Callable[..., Any]] = {"gurux-dlms": Gurux, "dlms-cosem": DlmsCosem}


def work(order: dict[str, Any]) -> Any:
    if order["what"] == "decode":
        return repr(utils.parse_as_dlms_data(bytes.fromhex(order["octets"])))
    if order["what"] == "matrix":
        return gurux_matrix.run(order["offer"], order["combination"], order["operations"])
    how = order.get("how", {})
    peer = PEERS[order["peer"]](order["offer"], order["security"], order["client_sap"], order.get("counter", 0), **how)
    if order["what"] == "sent":
        return peer.sent()
    peer.open()
    value = getattr(peer, order["what"])(*order.get("arguments", ()))
    peer.close()
    return value


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_OCTETS_MAX, MEMORY_OCTETS_MAX))
    answers = os.fdopen(os.dup(1), "w")
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - gurux prints, as long as this runs
    logging.disable(logging.CRITICAL)  # the log of dlms-cosem shows passwords
    for line in sys.stdin:
        try:
            answer = {"value": work(json.loads(line))}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
