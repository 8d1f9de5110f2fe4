"""amiloop's simulated field: meters, concentrators and media in virtual time."""
