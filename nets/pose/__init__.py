"""Pose networks: backbones, heads and their layers. Weights come in through nets/pretrained.py."""
