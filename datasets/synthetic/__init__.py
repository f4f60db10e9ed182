"""Drawn people, so that everything runs offline."""
