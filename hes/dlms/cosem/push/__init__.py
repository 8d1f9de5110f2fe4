"""Push: messages a meter sends on its own."""
