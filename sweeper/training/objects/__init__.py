"""How Python objects are looked into: what they hold, how that is read, compared and put back."""
