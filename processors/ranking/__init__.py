"""Ranking: which images to label next and which labels to mend, by what a network makes of them."""
