"""The inspector: octets in, a tree that a person can read out."""
