"""Steps without Python: recorded, compiled, verified against the eager step, taken in lanes."""
