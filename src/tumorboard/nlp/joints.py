"""What joins a finding to the one before it."""

NONE, AND, OR, COMMA, WITH, OTHER = range(6)
