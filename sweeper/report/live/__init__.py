"""What is shown while a sweep runs, and of a sweep that runs elsewhere."""
