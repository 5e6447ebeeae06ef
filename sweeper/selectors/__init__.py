"""What to vary, and who listens."""
