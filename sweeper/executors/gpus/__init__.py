"""GPUs: which there are, what runs take of their memory, and which run goes where."""
