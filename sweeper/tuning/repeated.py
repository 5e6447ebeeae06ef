"""Tunes an architecture several times, from other seeds each time: how much depends on them?"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from ..errors import TuningFailed
from .base import RunResult, Stage, Tuner

if TYPE_CHECKING:
    from ..results import Tuned


def tune_repeatedly(start: Callable[[int], Tuner], tunings: int) -> Tuner:
    """Tunes one architecture so many times; the stages of all go side by side.

    Args:
        start: Starts a tuning, by its number from 0.
        tunings: How many; at least 1.

    Yields:
        Stages, each of the next runs of all tunings that go on.

    Returns:
        What the first came to, with the `alternatives` that the others did.

    Raises:
        TuningFailed: One of them failed: of several at a time, that with the lowest number.
    """
    if tunings == 1:
        return (yield from start(0))
    tuners = [start(number) for number in range(tunings)]
    answers: dict[int, Sequence[RunResult]] = {}
    chosen: dict[int, Tuned] = {}
    try:
        while len(chosen) < tunings:
            stages: dict[int, Stage] = {}
            for number, tuner in enumerate(tuners):
                if number in chosen:
                    continue
                try:
                    stages[number] = tuner.send(answers[number]) if number in answers else next(tuner)
                except StopIteration as end:
                    chosen[number] = end.value
                except TuningFailed as error:
                    raise type(error)(f'tuning {number + 1} of {tunings}: {error}') from error
            if stages:
                results = iter((yield _side_by_side([*stages.values()])))
                answers = {number: [*islice(results, len(stage.runs))] for number, stage in stages.items()}
    finally:
        for tuner in tuners:
            tuner.close()
    first, *others = (chosen[number] for number in range(tunings))
    return dataclasses.replace(first, alternatives=tuple(others))


def _side_by_side(stages: Sequence[Stage]) -> Stage:
    name = ' and '.join(dict.fromkeys(stage.name for stage in stages))
    return Stage(name, [run for stage in stages for run in stage.runs])
