"""Shared by tasks that predict from images: what a mask measures, radiomics, and which modalities a patient has."""
