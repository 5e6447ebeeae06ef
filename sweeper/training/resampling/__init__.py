"""Trials as resamples: how an option says it, who is in which split, and the data of a trial."""
