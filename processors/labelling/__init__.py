"""Predictions as labels that people correct in other tools."""
