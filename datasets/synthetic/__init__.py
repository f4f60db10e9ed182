"""Drawn people, so that everything runs offline. Training does not know them from others."""
