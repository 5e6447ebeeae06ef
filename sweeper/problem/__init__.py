"""A problem: where it is, what it says, what it is made of."""
