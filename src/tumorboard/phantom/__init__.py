"""Virtual patients with known truth for every task."""
