"""Runs the clients of others, as released, in a process that may be killed: some of them loop or spin for ever.

One JSON object per line on standard input says what to read and where; one line comes back: {"value": ...} or
{"error": "<type>: <message>"}. What the libraries print goes nowhere. Started by `meter_process.Worker`.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import resource
import sys
from collections.abc import Callable
from typing import Any

from interop import push_decoders
from interop.outcomes import NOT_OFFERED, association, in_turn

MEMORY_OCTETS_MAX = 1 << 30

MATRIX_PEERS = {"gurux-dlms": "gurux_matrix", "pydlms-client": "pydlms_matrix"}


def work(order: dict[str, Any]) -> Any:
    """Peers are imported when they are asked for: not all of their licences go together in one process."""
    if order["what"] == "matrix":
        return matrix(order)
    if order["what"] == "push":
        return push_decoders.decode(order["peer"], bytes.fromhex(order["octets"]), order["offer"])
    if order["what"] == "decode":
        from dlms_cosem import utils

        return repr(utils.parse_as_dlms_data(bytes.fromhex(order["octets"])))
    how = order.get("how", {})
    make = single_peer(order["peer"])
    peer = make(order["offer"], order["security"], order["client_sap"], order.get("counter", 0), **how)
    if order["what"] == "sent":
        return peer.sent()
    peer.open()
    value = getattr(peer, order["what"])(*order.get("arguments", ()))
    peer.close()
    return value


def single_peer(name: str) -> Callable[..., Any]:
    if name == "gurux-dlms":
        from interop.gurux_client import Gurux

        return Gurux
    from interop.dlms_cosem_client import DlmsCosem

    return DlmsCosem


def matrix(order: dict[str, Any]) -> dict[str, str]:
    offer, combination = order["offer"], order["combination"]
    operations = combination["operations"]
    entry = association(offer, combination["mechanism"], combination["suite"])
    if entry is None:
        return dict.fromkeys([*operations, "release"], NOT_OFFERED)
    module = importlib.import_module(f"interop.{MATRIX_PEERS[combination['peer']]}")
    return in_turn(lambda: module.make_peer(offer, combination, entry), str(combination), operations)


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
