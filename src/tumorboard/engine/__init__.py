"""Training loop, checkpoints, executors, run log."""
