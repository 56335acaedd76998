"""Arrays to numbers: overlap, surface, lesions, survival, classification, intervals."""
