"""Clients that nobody here wrote, against our meters on real sockets: `python -m interop` prints the whole matrix."""
