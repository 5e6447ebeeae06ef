"""Files that appear whole or not at all, checked when they are read."""
