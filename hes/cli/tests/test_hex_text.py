"""Octets out of any text."""

from hypothesis import example, given
from hypothesis import strategies as st

from hes.cli.frame_cutter import FrameCutter, cut
from hes.cli.hex_text import frames_in_text
from hes.dlms import wrapper

SEPARATORS = ("", " ", ":", "-", ", ", ", 0x", " 0x", r"\x")


@given(st.text(max_size=300))
@example("[")
@example("000000000")  # an odd number of digits
@example("0000  zz\n00000002\n")
@example("2024-12-15T12:30:01Z s > 3 x | ab")
@example("7E A0 0g\n00 01\n00 0g\n\n7E A0 07")
def test_any_text_gives_frames_and_damage_that_names_its_line(text: str) -> None:
    for frame in frames_in_text(text, lambda octets: len(octets) > 3):
        assert frame.damage.startswith("line ") if frame.damage else frame.octets
        assert frame.line >= 1


@given(
    st.lists(st.binary(min_size=4, max_size=40).map(lambda octets: b"\xc4" + octets), min_size=1, max_size=5),
    st.sampled_from(SEPARATORS),
    st.booleans(),
)
def test_lines_of_hex_come_back_as_they_were(apdus: list[bytes], separator: str, upper: bool) -> None:
    lines = [separator.join(f"{octet:02x}" for octet in apdu) for apdu in apdus]
    prefix = separator.strip(", ") if separator.endswith("x") else ""
    text = "\n".join(
        prefix + (line.upper().replace("0X", "0x").replace(r"\X", r"\x") if upper else line) for line in lines
    )
    assert [frame.octets for frame in frames_in_text(text, lambda _: True)] == apdus


SNRM = bytes.fromhex("7EA0070321930F017E")
PIECES = st.sampled_from(
    [
        SNRM,
        SNRM[1:],  # after another HDLC frame: one flag may close a frame and open the next
        bytes.fromhex("683200320068C931070100000270000001007516"),
        wrapper.encode(16, 1, bytes.fromhex("C001C100080000010000FF0200")),
        b"\xde\xad\xbe\xef",
    ]
)


@given(st.lists(PIECES | st.binary(max_size=20), max_size=8), st.integers(1, 50))
def test_a_stream_cut_anywhere_gives_the_same_frames(parts: list[bytes], size: int) -> None:
    octets = b"".join(parts)
    cutter = FrameCutter()
    pieces = [piece for start in range(0, len(octets), size) for piece in cutter.feed(octets[start : start + size])]
    pieces += cutter.rest()
    assert len(b"".join(piece.octets for piece in pieces)) >= len(octets)
    frames = [piece.octets for piece in pieces if piece.is_frame]
    assert frames == [piece.octets for piece in cut(octets) if piece.is_frame]
