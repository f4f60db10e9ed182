"""Networks that find people, and the reading of their weights. Letterboxes and NMS are not theirs."""
