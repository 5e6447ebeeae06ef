"""Source files, read and never run: their texts, syntax trees, and the modules that they import."""
