"""Radiomics after the IBSI reference manual (Zwanenburg et al., arXiv 1612.07003): a mask and an image -> numbers."""
