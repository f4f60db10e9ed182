"""Weights files of every origin, read without running anything in them."""
