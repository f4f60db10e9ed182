"""Losses of what a head gives. Targets are painted by utils.heatmap_codec."""
