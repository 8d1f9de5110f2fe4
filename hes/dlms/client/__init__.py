"""The client role: one association from AARQ to RLRE, octets in and events out."""

from hes.dlms.client.client import Client
from hes.dlms.client.settings import ClientSecurity, ClientSettings

__all__ = ["Client", "ClientSecurity", "ClientSettings"]
