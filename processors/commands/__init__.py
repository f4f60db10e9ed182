"""The words of the command line: one file for each `python main.py COMMAND`, light enough for
`--help`. What a command does is in `processors/jobs/`, which main.py imports when it is chosen."""
