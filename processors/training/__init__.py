"""One run: the loop, a step, rate, averages, resuming, and what it tells meanwhile.
It is judged in evaluation/, and its files are written by models/checkpoint.py."""
