"""A network with all it takes to use it: files in and out, inference, ranking of poses.
Its layers are in nets/."""
