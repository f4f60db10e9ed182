"""What is wrong with a data set, and what it costs. It reads leniently what training refuses."""
