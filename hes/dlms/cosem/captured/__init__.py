"""Captured: values that are kept."""
