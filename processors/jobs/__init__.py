"""What each command does: settings in, files and log lines out.
No mathematics and no loop is here: those are in the rooms that a job calls."""
