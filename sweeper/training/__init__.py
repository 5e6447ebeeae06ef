"""One run: the problem, its data, the loop, the metrics."""
