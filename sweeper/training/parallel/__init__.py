"""Data-parallel training of one model: several processes, each with a share of every batch."""
