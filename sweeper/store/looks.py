"""How often the results of a sweep were looked at: each look at more trials is another chance of error.

A look is recorded when a sweep ends, and not when someone reads what is there: so the folder of a sweep that
was interrupted and continued has the same looks as that of one that was not.

Source: Armitage, McPherson and Rowe 1969, Repeated significance tests on accumulating data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, repeat

_RUN = re.compile(r'([0-9]{1,12})\*([1-9][0-9]{0,11})')


@dataclass(frozen=True)
class Look:
    """Which look at a sweep's results it is.

    Attributes:
        number: From 1 on.
        interim: Whether trials were added since the last look that counts: the sweep is under way, or was
            interrupted.
    """

    number: int = 1
    interim: bool = False


def recorded_look(counts: Sequence[int]) -> str:
    """Returns a look as `sweep.json` has it: `3*10 5*2`, ten points with three trials, then two with five.

    Args:
        counts: How many trials each point has, in the order of their ids.
    """
    return ' '.join(f'{count}*{len([*points])}' for count, points in groupby(counts))


def check_looks(looks: Sequence[str] | None) -> None:
    """Raises `ValueError` if something is no look as `recorded_look` returns it."""
    for look in looks or ():
        if not look or not all(_RUN.fullmatch(run) for run in look.split(' ')):
            raise ValueError(f'looks have {look!r}'[:200])


def has_more(counts: Sequence[int], looks: Sequence[str]) -> bool:
    """Whether a point has more trials than at the last of the looks that were recorded."""
    before = chain(_counts(looks[-1]) if looks else (), repeat(0))
    return any(now > then for now, then in zip(counts, before, strict=False))


def look_under_way(looks: Sequence[str] | None) -> Look:
    """Returns which look it is to see what there is while a sweep adds trials."""
    return Look(len(looks or ()) + 1, True)


def look_of(counts: Sequence[int], looks: Sequence[str] | None) -> Look:
    """Returns which look it is to see what is there now.

    Args:
        counts: How many trials each point has, in the order of their ids.
        looks: Those recorded; None in folders of earlier versions, of which the first look is taken for it.
    """
    if looks is None:
        return Look()
    is_interim = has_more(counts, looks)
    return Look(max(len(looks) + is_interim, 1), is_interim)


def _counts(look: str) -> Iterator[int]:
    """The trials of each point; one by one, since a damaged file may tell of any number."""
    for count, points in _RUN.findall(look):
        yield from repeat(int(count), int(points))
