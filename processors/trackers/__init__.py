"""Trackers: the numbers of a run, kept in metrics.jsonl, and copied from there to TensorBoard,
Weights & Biases, MLflow, ClearML and Trackio."""
