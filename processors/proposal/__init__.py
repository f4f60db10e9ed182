"""Proposal: from what labels show and the machine has to settings, each with its reason."""
