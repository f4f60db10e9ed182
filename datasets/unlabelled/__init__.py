"""People without labels: their boxes, their two views, and how they come beside labelled ones."""
