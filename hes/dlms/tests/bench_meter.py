"""A small meter for tests of client and server: a clock, registers, a load profile, a relay, texts to write.

Keys, titles and counters are those of the published examples, so that their octets can be compared.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from hes.dlms import axdr, data
from hes.dlms.client import Client
from hes.dlms.client.events import ClientEvent, SendNext
from hes.dlms.client.settings import ClientSecurity, ClientSettings
from hes.dlms.codes import ActionResult, ApplicationContext, Conformance, DataAccessResult, Mechanism
from hes.dlms.cosem import (
    EVERYONE,
    METER_CONFORMANCE,
    ActionReply,
    CaptureObject,
    ClientAccess,
    Clock,
    ControlState,
    CosemObject,
    DataObject,
    DemandRegister,
    DisconnectControl,
    ExtendedRegister,
    LocalTime,
    LogicalDevice,
    ProfileGeneric,
    Register,
    Role,
    ScalerUnit,
    SecurityMemory,
    SecurityPolicy,
    method,
    public_client,
)
from hes.dlms.cosem.interface_classes import DATA
from hes.dlms.data import Data, Tag
from hes.dlms.obis import Obis
from hes.dlms.security import EncryptionKeys
from hes.dlms.server import Server
from hes.dlms.tests import published

NOW_S = 1_734_264_000  # 2024-12-15 12:00:00 UTC
PERIOD_S = 900
ROWS = 96
PROTECTED = SecurityPolicy(0x6C)  # authenticated and encrypted, both ways

CLOCK = Obis.parse("0.0.1.0.0.255")
ENERGY = Obis.parse("1.0.1.8.0.255")
EXPORT = Obis.parse("1.0.2.8.0.255")
REACTIVE = Obis.parse("1.0.3.8.0.255")
MAX_DEMAND = Obis.parse("1.0.1.6.0.255")
DEMAND = Obis.parse("1.0.1.4.0.255")
LOAD_PROFILE = Obis.parse("1.0.99.1.0.255")
AMR_STATUS = Obis.parse("0.0.96.10.1.255")
RELAY = Obis.parse("0.0.96.3.10.255")
MESSAGE = Obis.parse("0.0.96.13.0.255")
SECRET_TEXT = Obis.parse("0.0.96.13.1.255")
ECHO = Obis.parse("0.0.96.50.0.255")

COLUMNS = (
    CaptureObject(8, CLOCK, 2),
    CaptureObject(1, AMR_STATUS, 2),
    CaptureObject(3, ENERGY, 2),
    CaptureObject(3, EXPORT, 2),
    CaptureObject(3, REACTIVE, 2),
    CaptureObject(3, Obis.parse("1.0.4.8.0.255"), 2),
)
AMSTERDAM = LocalTime(standard_deviation_min=-60, is_dst=lambda epoch_s: 1_711_846_800 <= epoch_s < 1_729_990_800)

PUBLIC, MANAGEMENT, READER, PLAIN_HLS, CIPHERED_LLS, PROTECTED_HLS = 16, 1, 2, 3, 4, 5


@dataclass(eq=False)
class BenchMeter:
    offset_s: float = 0.0
    relay: ControlState = ControlState.CONNECTED
    mode: int = 4
    message: bytes = b""
    writes: int = 0
    security: SecurityMemory = field(default_factory=lambda: security())


def keys() -> EncryptionKeys:
    return EncryptionKeys(published.ENCRYPTION_KEY, published.AUTHENTICATION_KEY)


def security() -> SecurityMemory:
    secrets = {READER: published.PASSWORD, CIPHERED_LLS: published.PASSWORD}
    memory = SecurityMemory(system_title=published.SERVER_TITLE, secrets=secrets)
    memory.add_setup(0, keys(), master_key=published.MASTER_KEY, send_counter=published.COUNTER)
    memory.add_setup(1, keys(), master_key=published.MASTER_KEY, policy=PROTECTED)
    return memory


def row(stamp_s: int) -> bytes:
    index = stamp_s // PERIOD_S
    return axdr.encode(
        data.structure(
            data.octets(AMSTERDAM.octets(stamp_s)),
            data.u8(index % 7),
            data.u32(index * 11),
            data.u32(index % 1000),
            data.u32(index * 3),
            data.u32(index * 2),
        )
    )


def rows(_meter: BenchMeter, now_s: float, from_s: int | None, to_s: int | None) -> list[bytes]:
    newest = int(now_s) // PERIOD_S
    return [
        row(index * PERIOD_S)
        for index in range(newest - ROWS + 1, newest + 1)
        if (from_s is None or index * PERIOD_S >= from_s) and (to_s is None or index * PERIOD_S <= to_s)
    ]


def _set_clock(meter: BenchMeter, now_s: float, own_s: float) -> DataAccessResult:
    meter.offset_s = own_s - now_s
    return DataAccessResult.SUCCESS


def _switch(meter: BenchMeter, _now_s: float, state: ControlState) -> ActionResult:
    meter.relay = state
    return ActionResult.SUCCESS


def _write_message(meter: BenchMeter, _now_s: float, value: Data) -> DataAccessResult:
    if value.tag is not Tag.OCTET_STRING:
        return DataAccessResult.TYPE_UNMATCHED
    meter.message = value.value
    meter.writes += 1
    return DataAccessResult.SUCCESS


def _echo(meter: BenchMeter, _now_s: float, parameters: Data | None) -> ActionReply:
    meter.writes += 1
    return ActionReply(ActionResult.SUCCESS, None if parameters is None else axdr.encode(parameters))


def _u32(number: int) -> bytes:
    return axdr.encode(data.u32(number))


def objects() -> list[CosemObject[BenchMeter]]:
    watt_hours = ScalerUnit(0, 30)
    echo: CosemObject[BenchMeter] = CosemObject(DATA, ECHO, {}, {1: method(_echo)})
    return [
        Clock(time=lambda meter, now_s: now_s + meter.offset_s, set_time=_set_clock, local=AMSTERDAM),
        Register(ENERGY, lambda _meter, now_s: _u32(int(now_s) // PERIOD_S), watt_hours, readable=EVERYONE),
        Register(EXPORT, _u32(0), watt_hours, reset=lambda *_: ActionResult.SUCCESS),
        ExtendedRegister(
            MAX_DEMAND,
            _u32(4711),
            ScalerUnit(-1, 27),
            status=data.u8(0),
            capture_time=lambda _meter, now_s: b"\x09\x0c" + AMSTERDAM.octets(int(now_s)),
        ),
        DemandRegister(
            DEMAND,
            current_average=_u32(1),
            last_average=_u32(2),
            scaler_unit=ScalerUnit(0, 27),
            status=data.u8(0),
            capture_time=data.octets(AMSTERDAM.octets(NOW_S)),
            start_time_current=data.octets(AMSTERDAM.octets(NOW_S)),
            period_s=900,
        ),
        ProfileGeneric(
            LOAD_PROFILE,
            rows=rows,
            entries=lambda _meter, _now_s: ROWS,
            capture_objects=COLUMNS,
            capture_period_s=PERIOD_S,
            profile_entries=4800,
            local=AMSTERDAM,
        ),
        DisconnectControl(
            RELAY, state=lambda meter, _now_s: meter.relay, switch=_switch, mode=lambda meter: meter.mode
        ),
        DataObject(MESSAGE, lambda meter, _now_s: axdr.encode(data.octets(meter.message)), write=_write_message),
        DataObject(SECRET_TEXT, data.octets(b"for management"), readable=Role.MANAGEMENT),
        echo,
    ]


def device(
    *, max_receive_pdu_size: int = 1224, conformance: Conformance = METER_CONFORMANCE
) -> LogicalDevice[BenchMeter]:
    both = frozenset({ApplicationContext.LN, ApplicationContext.LN_CIPHERED})
    ciphered = frozenset({ApplicationContext.LN_CIPHERED})
    return LogicalDevice(
        name=lambda _meter: b"AML0000000000001",
        clients=(
            public_client(),
            ClientAccess(
                client_sap=MANAGEMENT,
                role=Role.MANAGEMENT,
                mechanism=Mechanism.HLS_GMAC,
                contexts=ciphered,
                conformance=conformance,
                security_setup=0,
            ),
            ClientAccess(client_sap=READER, role=Role.READER, mechanism=Mechanism.LLS, conformance=conformance),
            ClientAccess(
                client_sap=PLAIN_HLS,
                role=Role.MANAGEMENT,
                mechanism=Mechanism.HLS_GMAC,
                contexts=both,
                conformance=conformance,
                security_setup=0,
                client_system_title=published.CLIENT_TITLE,
            ),
            ClientAccess(
                client_sap=CIPHERED_LLS,
                role=Role.READER,
                mechanism=Mechanism.LLS,
                contexts=ciphered,
                conformance=conformance,
                security_setup=0,
            ),
            ClientAccess(
                client_sap=PROTECTED_HLS,
                role=Role.MANAGEMENT,
                mechanism=Mechanism.HLS_GMAC,
                contexts=ciphered,
                conformance=conformance,
                security_setup=1,
            ),
        ),
        objects=objects(),
        security=lambda meter: meter.security,
        max_receive_pdu_size=max_receive_pdu_size,
    )


DEVICE = device()


def challenge(count: int) -> bytes:
    """The server's challenge of the published examples, repeated as needed."""
    return (published.SERVER_CHALLENGE * 8)[:count]


class Bench:
    """A client and a server that talk through a function. `wire`: every APDU, ("C" or "S", octets)."""

    def __init__(
        self,
        settings: ClientSettings,
        *,
        device: LogicalDevice[BenchMeter] = DEVICE,
        meter: BenchMeter | None = None,
        send_counter: Callable[[], int] | int = 1,
    ) -> None:
        self.meter = meter or BenchMeter()
        self.server = Server(device, self.meter, entropy=challenge, challenge_octets=8)
        self.client = Client(settings, send_counter=send_counter)
        self.now_s: float = NOW_S
        self.wire: list[tuple[str, bytes]] = []

    def ask(self, octets: bytes) -> bytes:
        """The server's answer; there must be one."""
        self.wire.append(("C", octets))
        answer = self.server.receive(self.client.settings.client_sap, octets, self.now_s)
        assert answer is not None
        self.wire.append(("S", answer))
        return answer

    def run(self, octets: bytes) -> ClientEvent:
        """Send, and go on until there is an outcome."""
        for _ in range(10_000):
            event = self.client.receive(self.ask(octets))
            if not isinstance(event, SendNext):
                return event
            octets = event.octets
        raise AssertionError("no outcome")

    def associate(self) -> ClientEvent:
        settings = self.client.settings
        high_level = settings.mechanism.high_level
        dedicated = settings.security is not None and settings.security.dedicated
        return self.run(
            self.client.associate(
                challenge=published.CLIENT_CHALLENGE if high_level else b"",
                dedicated_key=published.MASTER_KEY if dedicated else b"",
            )
        )


def client_security(**changes: object) -> ClientSecurity:
    return ClientSecurity(**{"system_title": published.CLIENT_TITLE, "keys": keys(), **changes})  # type: ignore[arg-type]


def hls(client_sap: int = MANAGEMENT, **changes: object) -> ClientSettings:
    """Settings of an HLS-GMAC client; changes go to its security."""
    return ClientSettings(client_sap=client_sap, mechanism=Mechanism.HLS_GMAC, security=client_security(**changes))


def lls(**changes: object) -> ClientSettings:
    return ClientSettings(
        **{"client_sap": READER, "mechanism": Mechanism.LLS, "password": published.PASSWORD, **changes}  # type: ignore[arg-type]
    )


def public(**changes: object) -> ClientSettings:
    return ClientSettings(**{"client_sap": PUBLIC, **changes})  # type: ignore[arg-type]
