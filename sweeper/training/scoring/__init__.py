"""What models are scored by, on batches and on whole splits."""
