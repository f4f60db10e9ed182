"""How a person becomes a crop: decode, choose the view, warp, keep in a pack. Colours and heatmaps
are made on the device, elsewhere."""
