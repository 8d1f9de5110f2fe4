"""`amiloop read --short-names` against the bench meter with short names on a TCP port."""

from hes.cli.tests.meter_on_tcp import MeterOnTcp
from hes.cli.tests.test_read import GMAC, LOW, refusal, run, values
from hes.dlms.tests import bench_short_names as bs
from hes.dlms.tests.bench_meter import NOW_S, PERIOD_S, ROWS


def test_objects_are_read_by_short_names_as_they_are_by_logical_ones():
    with MeterOnTcp(device=bs.DEVICE) as meter:
        clock, energy, missing, beyond, table = values(
            meter, "--short-names", *LOW, "0.0.1.0.0.255", "1.0.1.8.0.255", "1.0.9.9.9.255", "3/1.0.1.8.0.255/9",
            "1.0.99.1.0.255",
        )  # fmt: skip
    assert clock["value"].startswith("2024-12-15T13:00:00")
    assert energy["value"] == NOW_S // PERIOD_S
    assert "not in the object list" in missing["error"]
    assert "object-undefined" in beyond["error"]
    assert len(table["rows"]) == ROWS


def test_gmac_and_ciphering_work_with_short_names():
    with MeterOnTcp(device=bs.DEVICE) as meter:
        (energy,) = values(
            meter, "--short-names", *GMAC, "--client", str(bs.MANAGEMENT), "--counter", "1", "1.0.1.8.0.255"
        )
    assert energy["value"] == NOW_S // PERIOD_S


def test_a_meter_that_has_no_short_names_says_what_to_do():
    with MeterOnTcp() as meter:
        error = refusal(run(meter, "--short-names", "1.0.1.8.0.255"))
    assert "try without --short-names" in error.message
