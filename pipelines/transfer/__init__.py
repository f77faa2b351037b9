"""Transports: one small interface, and everything behind it is the same code."""
