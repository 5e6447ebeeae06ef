"""Contracts of what a user may write for a sweep, as tests to subclass (they need pytest)."""

from __future__ import annotations

from ..extras import needed

with needed('test', 'sweeper.testing needs pytest'):
    import pytest

for _suite in ('executors', 'listeners', 'selectors', 'tuning'):
    pytest.register_assert_rewrite(f'{__name__}.{_suite}')

from .executors import ExecutorContract  # noqa: E402
from .listeners import ListenerContract, check_listener  # noqa: E402
from .selectors import SelectorContract, check_selector  # noqa: E402
from .tuning import TuningMethodContract  # noqa: E402

__all__ = [
    'ExecutorContract',
    'ListenerContract',
    'SelectorContract',
    'TuningMethodContract',
    'check_listener',
    'check_selector',
]
