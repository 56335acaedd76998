"""DICOM objects <-> nouns: image series, SUV, RTSTRUCT, SEG, RTDOSE."""
