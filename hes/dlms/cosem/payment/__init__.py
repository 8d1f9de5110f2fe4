"""Payment: who owes, what is left, tokens."""
