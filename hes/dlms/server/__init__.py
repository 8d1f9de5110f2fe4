"""The server role: all associations of one meter, requests in and answers out."""

from hes.dlms.server.server import Server, protect_notification

__all__ = ["Server", "protect_notification"]
