"""How a person becomes a crop: decode, choose the view, warp, keep in a pack."""
