"""The first suite: everyday reading and switching, and what may go wrong on the way."""
