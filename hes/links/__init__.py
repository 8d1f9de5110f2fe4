"""Ways for octets to reach a device, opened by URL."""

from hes.links.facts import LinkFacts, facts_of
from hes.links.registry import Links, LinkUrl, Listener

__all__ = ["LinkFacts", "LinkUrl", "Links", "Listener", "facts_of"]
