"""Survival: curves, error, discrimination in time, calibration, group comparison.

Arrays in, numbers out. `event` is a boolean array (n,), `time` a positive array (n,) in any one unit, predicted
survival a matrix (n, m) with column j the probability to be event-free at `grid[j]`.
"""
