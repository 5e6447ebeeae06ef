"""Trials that go on after a kill: what their state is, and the files that it is kept in."""
