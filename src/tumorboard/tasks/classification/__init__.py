"""Classification: HPV status, stages and any other class of a patient, with every honest baseline beside it."""
