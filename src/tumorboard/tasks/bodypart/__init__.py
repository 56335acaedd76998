"""Where in the body each axial slice of a CT lies, learnt without labels."""
