"""Descriptions of all metrics, by what they are of."""
