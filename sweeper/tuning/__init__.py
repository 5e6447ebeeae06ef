"""A fair learning rate, batch size and length of training for one architecture."""
