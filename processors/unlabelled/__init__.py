"""Learning from people without labels: the averaged network labels them for the one that learns."""
