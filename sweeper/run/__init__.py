"""A sweep under way: what is next, what is known, and who is told."""
