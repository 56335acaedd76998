"""Lesions found by boxes with scores: detectors, imported predictions, free-response scoring."""
