"""Calendar: what a meter does by its own time."""
