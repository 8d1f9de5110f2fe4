"""Scenario suites: what is asked of a meter and of the way to it, whoever plays them."""
