"""Segmentation of tumours in PET/CT."""
