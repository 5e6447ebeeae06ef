"""A fair learning rate and batch size for one architecture."""
