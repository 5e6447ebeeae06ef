"""Managers of parameters by any name: `from sweeper.m import _, hp`."""

from .declare.registry import manager as __getattr__  # noqa: F401 - nothing else: any other name is a manager's
