"""Bytes to nouns and back: cohort store, NIfTI, DICOM and SUV, RTSTRUCT, SEG."""
