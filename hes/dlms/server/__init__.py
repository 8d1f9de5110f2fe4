"""The server role: all associations of one meter, requests in and answers out."""

from hes.dlms.server.physical_device import PhysicalDevice, PhysicalServer
from hes.dlms.server.server import Server, protect_notification

__all__ = ["PhysicalDevice", "PhysicalServer", "Server", "protect_notification"]
