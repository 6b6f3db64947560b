"""Measurements of the suite: `make bench`."""
