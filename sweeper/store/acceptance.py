"""What may have changed since a sweep was started, and is accepted."""

from __future__ import annotations

ACCEPTABLE = ('source', 'versions', 'device', 'step', 'selector')
"""What may have changed since a sweep was started and can be accepted, each by its name."""

ACCEPT = 'accept:'


def accepted_kinds(if_changed: object) -> frozenset[str] | None:
    """Returns which changes `if_changed` accepts, of `ACCEPTABLE`; None if it is nothing that can be said.

    It is `stop` or `restart`, which accept none, or `accept:` with names between commas.
    """
    if if_changed in ('stop', 'restart'):
        return frozenset()
    if not isinstance(if_changed, str) or not if_changed.startswith(ACCEPT):
        return None
    kinds = frozenset(name.strip() for name in if_changed.removeprefix(ACCEPT).split(','))
    return kinds if kinds <= set(ACCEPTABLE) else None
