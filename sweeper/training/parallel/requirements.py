"""Which problems' models several processes can train together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...problem.problem import Problem

if TYPE_CHECKING:
    from ..data import Split


def why_not_together(problem: Problem, train: Split) -> str | None:
    """Says why several processes cannot train a model of a problem together; None if they can.

    Args:
        problem: The loaded problem.
        train: Its training data.
    """
    from ..stream import StreamSplit

    if problem.train is not None:
        return 'it has a training loop of its own, train(run), which nobody can divide'
    handlers = [name for name in ('attach', 'callbacks') if getattr(problem, name) is not None]
    if handlers:
        return f'its {" and ".join(handlers)} would take part in the run once for each process'
    if isinstance(train, StreamSplit):
        return (
            'its training data is a stream, of which each process would read all: return a dataset with '
            '__getitem__'
        )
    return None
