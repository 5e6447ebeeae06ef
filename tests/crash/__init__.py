"""Kills, fails and damages real sweeps, and proves that they finish as if nothing had happened."""
