"""Anatomical boxes on frontal chest X-rays."""
