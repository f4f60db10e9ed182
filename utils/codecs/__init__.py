"""Codecs beside that of heatmaps (utils/heatmap_codec.py): from outputs to joints and back."""
