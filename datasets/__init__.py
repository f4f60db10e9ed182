"""MSCOCO, its samples, their order, and the workers that read them. Nothing here knows heatmaps."""
