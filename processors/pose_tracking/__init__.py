"""Who is who from one frame of a video to the next, and their joints calmed."""
