"""Shared by tasks on clinical variables, no task itself: the variables of a cohort, their encoding, folds."""
