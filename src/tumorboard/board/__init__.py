"""What people look at: one page for the cohort, one per patient, as files that open from disk."""
