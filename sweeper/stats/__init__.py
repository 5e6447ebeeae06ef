"""Statistics of scores: intervals, differences, and which architecture is best. Numbers in, numbers out."""
