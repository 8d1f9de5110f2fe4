"""Hypothesis strategies for HDLC frames."""

from hypothesis import strategies as st

from hes.dlms.hdlc.frame import Frame

FRAMES = st.builds(
    Frame,
    destination=st.sampled_from([b"\x03", b"\x02\x23", b"\x00\x02\x00\x23"]),
    source=st.sampled_from([b"\x21", b"\x03", b"\x02\x23"]),
    control=st.integers(0, 255),
    information=st.binary(max_size=300) | st.just(b"\x7e" * 40) | st.just(b"\x7e\xa0\x07\x03" * 20),
    segmented=st.booleans(),
)
