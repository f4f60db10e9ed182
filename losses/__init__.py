"""Losses of what a head gives, and its accuracy. Targets are encoded by utils.heatmap_codec and
utils.codecs.simcc_codec."""
