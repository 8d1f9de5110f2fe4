"""What `amiloop decode` was given, as frames in the order they were sent: captures, hex in text, binary octets."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hes.cli.frame_cutter import FrameCutter, Piece, cut, frame_octets, starts_hdlc
from hes.cli.hex_text import FROM_DEVICE, TO_DEVICE, TextFrame, frames_in_text, is_shown_trace
from hes.clock import utc
from hes.dlms import gateway
from hes.dlms.codes import ApduTag
from hes.dlms.inspect.conversation import Conversation as Inspection
from hes.dlms.inspect.node import faults
from hes.errors import ConfigError
from hes.trace.capture_reader import Capture, Chunk, Conversation, read_capture

_CAPTURE_MAGIC: Final = frozenset(
    bytes.fromhex(magic) for magic in ("d4c3b2a1", "a1b2c3d4", "4d3cb2a1", "a1b23c4d", "0a0d0d0a")
)
_APDU_TAGS: Final = frozenset(map(int, ApduTag)) | {gateway.REQUEST_TAG, gateway.RESPONSE_TAG}
INPUT_OCTETS_MAX: Final = 256 * 1024 * 1024
# more than this share of octets that no text has makes a file binary
_TEXT_OCTETS: Final = frozenset({9, 10, 12, 13, 27}) | frozenset(range(32, 256)) - {127}


@dataclass(frozen=True, slots=True)
class Heard:
    """Octets that were sent. session: which conversation, frames of one belong together and are decoded so.

    way: from where to where, in words. time: when, as text. note: what is to be said about it besides.
    sender: which side it came from, any word, "" where nobody says. damage: where and why the input could not be read
    there; the octets are those of a frame before that, if there are any.
    is_frame: False for octets of a stream that start no frame. is_cut: only the beginning of a frame was written down.
    """

    octets: bytes
    session: str = ""
    way: str = ""
    time: str = ""
    note: str = ""
    is_frame: bool = True
    is_cut: bool = False
    sender: str = ""
    damage: str = ""


@dataclass(frozen=True, slots=True)
class Input:
    """kind: capture, text or binary. notes: what could not be read and why."""

    kind: str
    frames: Iterator[Heard]
    notes: tuple[str, ...] = ()


def read_input(name: str, octets: bytes) -> Input:
    """Find out what `octets` of the file called `name` are. Raises ConfigError when there is nothing to decode."""
    if len(octets) > INPUT_OCTETS_MAX:
        raise ConfigError(f"{name} has more than {INPUT_OCTETS_MAX >> 20} MiB: split it.", path=name)
    if octets[:4] in _CAPTURE_MAGIC:
        return _capture_input(name, _read_capture(octets))
    text = _as_text(octets)
    if text is not None:
        found = frames_in_text(text, _makes_sense)
        if not any(_is_recognised(frame.octets) for frame in found if not frame.damage):
            raise _no_frames_in_text(name, text, found)
        return Input("text", _from_text(found))
    if not octets:
        raise ConfigError(f"{name} is empty.", path=name, exit_status=1)
    if not _is_recognised(octets):
        raise _not_recognised(name, "no frame and no APDU begins in its octets")
    return Input("binary", _from_binary(octets))


def _is_recognised(octets: bytes) -> bool:
    """Whether anything in `octets` begins as a frame or an APDU does, valid or not."""
    if octets[0] in _APDU_TAGS or starts_hdlc(octets):
        return True
    return any(piece.is_frame and (frame_octets(piece.octets) or 0) > 0 for piece in cut(octets))


def _no_frames_in_text(name: str, text: str, found: list[TextFrame]) -> ConfigError:
    damage = next((frame.damage for frame in found if frame.damage), "")
    if damage:
        return ConfigError(f"{damage}; correct it, or make it a comment with #.", path=name, exit_status=1)
    if is_shown_trace(text):
        return _not_recognised(name, "what --trace shows is decoded already and has no octets in it")
    return _not_recognised(name, "in its hex digits no frame and no APDU begins" if found else "no hex digits")


def _not_recognised(name: str, why: str) -> ConfigError:
    return ConfigError(
        f"{name} is not recognised ({why}): it is neither a capture (pcap, pcapng) nor text with hex digits nor "
        "binary octets of DLMS, HDLC or Q/GDW 376.1 frames.",
        path=name,
        exit_status=1,
    )


def _makes_sense(octets: bytes) -> bool:
    """Whether `octets` are one APDU or frame without a fault."""
    return next(faults(Inspection().inspect(octets)), None) is None


def _as_text(octets: bytes) -> str | None:
    """The text that `octets` are, None when they are no text."""
    for encoding, mark in (("utf-8-sig", b"\xef\xbb\xbf"), ("utf-16", b"\xff\xfe"), ("utf-16", b"\xfe\xff")):
        if octets.startswith(mark):
            return octets.decode(encoding, "replace")
    if octets and not set(octets) <= _TEXT_OCTETS:
        return None
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return None


# text


def _from_text(found: list[TextFrame]) -> Iterator[Heard]:
    words = {TO_DEVICE: "to the device", FROM_DEVICE: "from the device", "": ""}
    for frame in found:
        if frame.damage:
            yield Heard(frame.octets, way=words[frame.direction], time=frame.time, damage=frame.damage)
            continue
        if frame.is_cut:
            yield Heard(frame.octets, frame.session, words[frame.direction], frame.time, is_cut=True)
            continue
        for piece in _pieces(frame.octets):
            way = words[frame.direction]
            place = f"line {frame.line}"
            way = f"{place}, {way}" if way else place
            yield Heard(piece.octets, frame.session, way, frame.time, sender=frame.direction)


def _from_binary(octets: bytes) -> Iterator[Heard]:
    offset = 0
    for piece in _pieces(octets):
        yield Heard(piece.octets, way=f"at octet {offset}", is_frame=piece.is_frame)
        offset += len(piece.octets)


def _pieces(octets: bytes) -> list[Piece]:
    """Frames one after another, or one bare APDU when the first octet starts no frame."""
    return cut(octets) if frame_octets(octets) != 0 else [Piece(octets)]


# captures


def _read_capture(octets: bytes) -> Capture:
    """The reader wants a file; what comes from a pipe is put into one."""
    with tempfile.NamedTemporaryFile(suffix=".pcap") as file:
        file.write(octets)
        file.flush()
        return read_capture(Path(file.name))


def _capture_input(name: str, capture: Capture) -> Input:
    notes = [f"{count} packets not looked into: {reason}" for reason, count in capture.skipped.items()]
    if capture.truncated:
        notes.append("the capture ends in the middle of a packet")
    if not capture.conversations:
        raise _nothing_captured(name, capture, notes)
    return Input("capture", _from_capture(capture), tuple(notes))


def _nothing_captured(name: str, capture: Capture, notes: list[str]) -> ConfigError:
    why = capture.damage or "; ".join(notes) or "it has no packets"
    return ConfigError(f"no TCP or UDP payload is in the capture {name}: {why}.", path=name, exit_status=1)


def _from_capture(capture: Capture) -> Iterator[Heard]:
    for number, conversation in enumerate(capture.conversations, 1):
        session = f"{number} {conversation.protocol} {conversation.client} - {conversation.server}"
        if conversation.protocol == "udp":
            yield from _datagrams(conversation, session)
        else:
            yield from _streams(conversation, session)
    if capture.damage:
        yield Heard(b"", damage=capture.damage)


def _streams(conversation: Conversation, session: str) -> Iterator[Heard]:
    cutters = {True: FrameCutter(), False: FrameCutter()}
    last: dict[bool, Chunk] = {}
    for chunk in conversation.chunks:
        cutter = cutters[chunk.from_client]
        note = chunk.comment
        if chunk.missing_octets:
            for piece in cutter.rest():
                yield _heard(conversation, session, last.get(chunk.from_client, chunk), piece, "the rest is missing")
            note = f"{chunk.missing_octets} octets before this are not in the capture"
        last[chunk.from_client] = chunk
        for piece in cutter.feed(chunk.octets):
            yield _heard(conversation, session, chunk, piece, note)
            note = ""
    for from_client, cutter in cutters.items():
        for piece in cutter.rest():
            yield _heard(conversation, session, last[from_client], piece, "the stream ends inside this frame")


def _datagrams(conversation: Conversation, session: str) -> Iterator[Heard]:
    for chunk in conversation.chunks:
        for piece in cut(chunk.octets):
            yield _heard(conversation, session, chunk, piece, chunk.comment)


def _heard(conversation: Conversation, session: str, chunk: Chunk, piece: Piece, note: str) -> Heard:
    ends = (conversation.client, conversation.server)
    source, destination = ends if chunk.from_client else ends[::-1]
    time = utc(chunk.at_epoch_s).isoformat(timespec="microseconds").replace("+00:00", "Z")
    way = f"{source} -> {destination}"
    return Heard(piece.octets, session, way, time, note, piece.is_frame, sender=str(source))
