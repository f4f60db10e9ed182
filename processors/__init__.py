"""What the commands do: training, evaluation, prediction, reports.

The promised names stand here; everything else is in a room below.
"""
