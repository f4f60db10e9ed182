"""Losses of what a head gives."""
