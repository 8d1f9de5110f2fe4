"""Declarations of the COSEM interface classes, a file for each family."""
