"""From predictions and labels to numbers: AP, PCK and their kin, and the words for how.
No network runs here but through models/inference.py."""
