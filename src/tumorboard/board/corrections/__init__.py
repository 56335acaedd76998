"""What readers change: a journal that only grows, runs made of it, and how far two readers agree."""
