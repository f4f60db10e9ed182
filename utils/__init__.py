"""The mathematics of poses and the plumbing that two rooms or more use. Nothing above is known."""
