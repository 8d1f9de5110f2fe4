"""Damaged octets for every decoder and state machine, in millions: one kind of error comes out, or a value."""
