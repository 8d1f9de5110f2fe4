"""Mode E of IEC 62056-21: how a reader and a meter on a local port agree to speak HDLC, in both roles."""

from hes.dlms.mode_e.client import ClientSignOn
from hes.dlms.mode_e.events import ChangeLine, HandedOver, SignOnEvent, SignOnFailed, Transmit
from hes.dlms.mode_e.messages import BAUD_RATES, Identification, OptionSelect, encode_request
from hes.dlms.mode_e.server import ServerSignOn
from hes.dlms.mode_e.settings import SignOnSettings

__all__ = [
    "BAUD_RATES",
    "ChangeLine",
    "ClientSignOn",
    "HandedOver",
    "Identification",
    "OptionSelect",
    "ServerSignOn",
    "SignOnEvent",
    "SignOnFailed",
    "SignOnSettings",
    "Transmit",
    "encode_request",
]
