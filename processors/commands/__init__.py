"""One file for each `python main.py COMMAND`: settings in, files and log lines out.
No mathematics and no loop is here: those are in the rooms that a command calls."""
