"""Pose networks: trunks, heads and their layers. Weights come in through nets/pretrained.py."""
