"""Uptake that normal anatomy does not explain, learnt from normal PET/CT alone."""
