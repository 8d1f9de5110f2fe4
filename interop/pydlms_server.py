"""The meter simulator of pydlms-client, as released, filled with what the reference meter measures, on TCP ports.

Started as a process of its own. A line on standard input asks for one more: framing, security suite, and what ciphered
clients have to do, such as `wrapper 0 both`; one JSON object comes back that says how to reach it. It serves until its
input ends. Client SAPs: PLAIN + mechanism, CIPHERED + mechanism.
"""

from __future__ import annotations

import json
import sys
import time

from pydlms.apdu.xdlms import Conformance
from pydlms.cosem.data import DlmsData
from pydlms.cosem.time import CosemDateTime
from pydlms.security.context import SecurityContext
from pydlms.security.hls import Mechanism
from pydlms.simulator import ClientProfile, MeterSimulator, serve

from hes.dlms.security.certificates import CertificateType
from interop.places import moment
from interop.pydlms_matrix import POLICIES, READING
from sim.reference import known_keys, load_profile, objects
from sim.reference.load_profile import PERIOD_S, ROWS_AT_START, true_row
from sim.reference.meter import MESSAGE_OCTETS

PLAIN, CIPHERED = 32, 64
SYSTEM_TITLE = b"PYDSERVR"
MAX_PDU = 640
MECHANISMS = (
    Mechanism.NONE,
    Mechanism.LLS,
    Mechanism.HLS,
    Mechanism.HLS_MD5,
    Mechanism.HLS_SHA1,
    Mechanism.HLS_GMAC,
    Mechanism.HLS_SHA256,
)
DATA, REGISTER, PROFILE, CLOCK, RELAY = 1, 3, 7, 8, 70


def simulator(suite: int, protection: str) -> MeterSimulator:
    keys = known_keys.global_keys(0, suite)
    meter = MeterSimulator(SYSTEM_TITLE, None, None, max_pdu=MAX_PDU, conformance=conformance())
    meter.encryption_key, meter.authentication_key = keys.encryption, keys.authentication
    meter.security = SecurityContext(
        keys.encryption,
        keys.authentication,
        client_system_title=SYSTEM_TITLE,
        suite=suite,
        policy=POLICIES[protection],
        **READING,
    )
    meter.last_client_ic = 0
    if suite:
        kind = CertificateType.DIGITAL_SIGNATURE
        meter.signing_key = known_keys.private_key("meter", kind, suite)
        public = known_keys.private_key("client", kind, suite).public_key()
        meter.security.signing_key, meter.security.peer_signing_key = meter.signing_key, public
        meter.clients[PLAIN + Mechanism.HLS_ECDSA] = ClientProfile(Mechanism.HLS_ECDSA, client_public_key=public)
        meter.clients[CIPHERED + Mechanism.HLS_ECDSA] = ClientProfile(
            Mechanism.HLS_ECDSA, ciphered=True, client_public_key=public
        )
    for mechanism in MECHANISMS:
        secret = known_keys.PASSWORD
        meter.clients[PLAIN + mechanism] = ClientProfile(mechanism, secret)
        meter.clients[CIPHERED + mechanism] = ClientProfile(mechanism, secret, ciphered=True)
    fill(meter)
    return meter


def conformance() -> Conformance:
    names = Conformance.default_ln() | Conformance.default_sn()
    return names | Conformance.GENERAL_PROTECTION | Conformance.ACCESS | Conformance.GENERAL_BLOCK_TRANSFER


def fill(meter: MeterSimulator) -> None:
    """The objects that `interop.outcomes` asks for, with the reference meter's values."""
    names = iter(range(0x1000, 0xF000, 0x200))

    def add(class_id: int, obis: object, **attributes: object) -> None:
        values = {int(name[1:]): value for name, value in attributes.items()}
        meter.add_object(class_id, str(obis), values, base_name=next(names))

    add(CLOCK, load_profile.CLOCK, a2=lambda: stamp(time.time()))
    add(DATA, load_profile.STATUS, a2=lambda: DlmsData.uint8(load_profile.status(int(time.time()))))
    for obis, measure in ((load_profile.IMPORT, load_profile.import_wh), (load_profile.EXPORT, load_profile.export_wh)):
        add(REGISTER, obis, a2=lambda measure=measure: DlmsData.uint32(measure(int(time.time()))), a3=unit(0, 30))
    add(
        REGISTER,
        load_profile.VOLTAGE,
        a2=lambda: DlmsData.uint16(load_profile.voltage_dv(int(time.time()))),
        a3=unit(-1, 35),
    )
    add(DATA, objects.LONG_VALUE, a2=DlmsData.octet_string(bytes(place % 251 for place in range(MESSAGE_OCTETS))))
    add(DATA, objects.WRITTEN, a2=DlmsData.octet_string(b""))
    newest_s = int(time.time()) // PERIOD_S * PERIOD_S
    stamps = range(newest_s - PERIOD_S * (ROWS_AT_START - 1), newest_s + 1, PERIOD_S)
    add(PROFILE, objects.LOAD_PROFILE, a2=DlmsData.array([row(stamp_s) for stamp_s in stamps]), a3=columns())
    add(RELAY, objects.RELAY, a2=DlmsData.boolean(True), a3=DlmsData.enum(1), a4=DlmsData.enum(4))
    for method, state in ((1, 0), (2, 1)):
        meter.add_method(RELAY, str(objects.RELAY), method, lambda meter, _value, state=state: switch(meter, state))


def switch(meter: MeterSimulator, state: int) -> None:
    relay = next(attributes for (class_id, _), attributes in meter.objects.items() if class_id == RELAY)
    relay[3] = DlmsData.enum(state)


def unit(scaler: int, number: int) -> DlmsData:
    return DlmsData.structure([DlmsData.int8(scaler), DlmsData.enum(number)])


def stamp(epoch_s: float) -> DlmsData:
    return DlmsData.octet_string(CosemDateTime.from_datetime(moment(int(epoch_s))).to_bytes())


def row(stamp_s: int) -> DlmsData:
    _, status, imported, exported, voltage = true_row(stamp_s)
    numbers = [DlmsData.uint8(status), DlmsData.uint32(imported), DlmsData.uint32(exported), DlmsData.uint16(voltage)]
    return DlmsData.structure([stamp(stamp_s), *numbers])


def columns() -> DlmsData:
    return DlmsData.array(
        [
            DlmsData.structure(
                [
                    DlmsData.uint16(column.class_id),
                    DlmsData.octet_string(bytes(column.obis)),
                    DlmsData.int8(column.attribute),
                    DlmsData.uint16(column.data_index),
                ]
            )
            for column in load_profile.COLUMNS
        ]
    )


def main() -> None:
    for line in sys.stdin:
        framing, suite, protection = line.split()
        server = serve(simulator(int(suite), protection), hdlc=framing == "hdlc")
        host, port = server.server_address[:2]
        print(json.dumps({"url": f"tcp://{host}:{port}", "framing": framing, "server_sap": 1}), flush=True)


if __name__ == "__main__":
    main()
