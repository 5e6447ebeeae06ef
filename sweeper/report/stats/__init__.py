"""Statistics: intervals, comparisons, effects of parameters."""
