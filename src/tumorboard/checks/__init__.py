"""Coded rules about the data, one per file."""
