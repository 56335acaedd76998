"""One folder per task; its spec declares what it needs, adds and measures."""
