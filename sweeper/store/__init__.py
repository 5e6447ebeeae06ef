"""A sweep's folder on disk."""
