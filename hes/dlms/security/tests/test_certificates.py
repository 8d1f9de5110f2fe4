"""Octets that are almost a certificate."""

import pytest

from hes.dlms import ber
from hes.dlms.cosem.tests.test_security_setup import Bench
from hes.dlms.security.certificates import read_certificate
from hes.dlms.security.errors import SecurityError

GOOD = Bench(suite=1).root.own_certificate()


def altered(field, contents):
    """The certificate with other contents, of the same length, in a field of its first part: version, serial number."""
    start, end = 0, len(GOOD)
    for _level in range(2):
        _tag, start, end = ber.read(GOOD, start, end)
    for _field in range(field + 1):
        _tag, _first, last = ber.read(GOOD, start, end)
        start = last
    return GOOD[: last - len(contents)] + contents + GOOD[last:]


@pytest.mark.parametrize(
    ("octets", "complaint"),
    [
        (altered(0, b"\x03"), "InvalidVersion"),
        (altered(1, b"\x81"), "serial number"),
        (altered(1, b"\x00"), "serial number"),
        (GOOD[:-1], "cannot be read"),
        (b"", "cannot be read"),
        (bytes(5000), "at most 4096"),
    ],
)
def test_what_is_no_certificate_is_refused_in_one_sentence(octets, complaint):
    assert read_certificate(GOOD)
    with pytest.raises(SecurityError, match=complaint):
        read_certificate(octets)
