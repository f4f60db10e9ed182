"""Networks that find people, and the reading of their weights. Letterbox and NMS are elsewhere."""
