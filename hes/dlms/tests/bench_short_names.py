"""The meter of `bench_meter` for clients with short names: the same objects, associations of contexts 2 and 4."""

from hes.dlms.codes import ApplicationContext, Conformance, Mechanism
from hes.dlms.cosem import ClientAccess, LogicalDevice, Role
from hes.dlms.cosem.access import SHORT_NAME_CONFORMANCE
from hes.dlms.tests import bench_meter as bm
from hes.dlms.tests import published

PUBLIC, READER, MANAGEMENT, CIPHERED, BOTH_NAMES = 16, 2, 3, 4, 5
SN, SN_CIPHERED = ApplicationContext.SN, ApplicationContext.SN_CIPHERED


def device(
    *, max_receive_pdu_size: int = 1224, conformance: Conformance = SHORT_NAME_CONFORMANCE
) -> LogicalDevice[bm.BenchMeter]:
    def client(client_sap: int, role: Role, *contexts: ApplicationContext, **more: object) -> ClientAccess:
        fields = {"conformance": conformance, "contexts": frozenset(contexts or (SN,)), **more}
        return ClientAccess(client_sap=client_sap, role=role, **fields)  # type: ignore[arg-type]

    return LogicalDevice(
        name=lambda _meter: b"AML0000000000001",
        clients=(
            client(PUBLIC, Role.PUBLIC),
            client(READER, Role.READER, mechanism=Mechanism.LLS),
            client(
                MANAGEMENT,
                Role.MANAGEMENT,
                SN,
                SN_CIPHERED,
                mechanism=Mechanism.HLS_GMAC,
                security_setup=0,
                client_system_title=published.CLIENT_TITLE,
            ),
            client(CIPHERED, Role.READER, SN_CIPHERED, mechanism=Mechanism.LLS, security_setup=0),
            client(
                BOTH_NAMES,
                Role.MANAGEMENT,
                SN,
                ApplicationContext.LN,
                mechanism=Mechanism.LLS,
                conformance=conformance | bm.METER_CONFORMANCE,
            ),
        ),
        objects=bm.objects(),
        security=lambda meter: meter.security,
        max_receive_pdu_size=max_receive_pdu_size,
    )


DEVICE = device()
NAMES = DEVICE.short_names
BASES = {entry.logical_name: base for base, entry in NAMES.objects}


def attribute(logical_name: bytes, index: int) -> int:
    """Short name of an attribute."""
    return BASES[logical_name] + 8 * (index - 1)  # type: ignore[index]
