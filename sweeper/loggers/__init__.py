"""Listeners that keep a sweep in the tools where people keep their experiments."""
