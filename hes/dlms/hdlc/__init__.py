"""HDLC as DLMS uses it: frames, reception, links of both sides, pushes without a link. Read client_link.py first."""

from hes.dlms.hdlc.address import ServerAddress
from hes.dlms.hdlc.client_link import ClientLink
from hes.dlms.hdlc.frame import Frame, Kind
from hes.dlms.hdlc.line_dispatcher import LineDispatcher, LineEvent, Peer
from hes.dlms.hdlc.link_events import (
    Delivered,
    DownReason,
    LinkDown,
    LinkEvent,
    LinkFinding,
    LinkFindingKind,
    LinkUp,
    Received,
    ReceivedUnnumbered,
    Transmit,
)
from hes.dlms.hdlc.link_settings import ClientLinkSettings, Recovery, ServerLinkSettings
from hes.dlms.hdlc.parameters import Parameters
from hes.dlms.hdlc.push import Push, PushReceiver, encode_push
from hes.dlms.hdlc.receiver import Receiver
from hes.dlms.hdlc.server_link import ServerLink

__all__ = [
    "ClientLink",
    "ClientLinkSettings",
    "Delivered",
    "DownReason",
    "Frame",
    "Kind",
    "LineDispatcher",
    "LineEvent",
    "LinkDown",
    "LinkEvent",
    "LinkFinding",
    "LinkFindingKind",
    "LinkUp",
    "Parameters",
    "Peer",
    "Push",
    "PushReceiver",
    "Received",
    "ReceivedUnnumbered",
    "Receiver",
    "Recovery",
    "ServerAddress",
    "ServerLink",
    "ServerLinkSettings",
    "Transmit",
    "encode_push",
]
