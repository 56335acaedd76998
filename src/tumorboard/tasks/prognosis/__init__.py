"""Prognosis: time-to-event prediction with every honest baseline beside it."""
