"""What people look at: plots, patient and cohort pages."""
