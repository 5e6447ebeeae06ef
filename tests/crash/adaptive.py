"""Selectors whose decisions depend on the results that they were told: some on their every bit."""

from __future__ import annotations

import hashlib
import math
import random
import struct
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Literal

from sweeper import EvolutionSweep, HalvingSweep, ParamSelector, Proposal, RacingSweep, Selector, events
from sweeper.selectors.base import Answer

_KINDS = ('ReLU', 'Tanh', 'Sigmoid')
_FAILING = (0, 'ReLU')
_TUNING = 'tuning'

Architecture = tuple[int, str]


class AdaptiveSelector(ParamSelector):
    """Proposes what its heirs put into the queue, and answers None while results are missing.

    Args:
        seed: Of the first points; an odd one makes all points named.

    Attributes:
        heard: All that it was told, one entry per tuning, trial and failure, in order.
    """

    def __init__(self, seed: int) -> None:
        self.heard: list[list[Any]] = []
        self.losses: dict[Architecture, list[float]] = {}
        self._is_named = seed % 2 == 1
        self._proposals: deque[tuple[Architecture, int]] = deque()
        self._missing: dict[Architecture, int] = {}
        self._untuned: set[Architecture] = set()
        rng = random.Random(seed)
        widths = rng.sample(range(4, 40), 3)
        for width in (widths[0], _FAILING[0], *widths[1:]):
            self.propose((width, rng.choice(_KINDS) if width else _FAILING[1]), 2)

    def propose(self, point: Architecture, trials: int) -> None:
        """Queues a proposal."""
        if point not in self.losses:
            self._untuned.add(point)
        self.losses.setdefault(point, [])
        self._missing[point] = self._missing.get(point, 0) + trials
        self._proposals.append((point, trials))

    def is_waiting(self) -> bool:
        """Whether anything that was proposed is not done yet."""
        return bool(self._untuned) or any(self._missing.values())

    def ranked(self) -> list[Architecture]:
        """The points that have trials, the best first."""
        means = {p: math.fsum(sorted(losses)) / len(losses) for p, losses in self.losses.items() if losses}
        return sorted(means, key=lambda point: (means[point], point))

    def derive(self, point: Architecture) -> Architecture:
        """A new point that depends on every bit of another's results."""
        digest = hashlib.sha256(struct.pack(f'<{len(self.losses[point])}d', *sorted(self.losses[point])))
        width, kind = divmod(int.from_bytes(digest.digest()[:4]), len(_KINDS))
        width = 4 + width % 40
        while (width, _KINDS[kind]) in self.losses:
            width += 1
        return width, _KINDS[kind]

    @abstractmethod
    def decide(self) -> None:
        """Called after each single thing that it hears; may propose."""

    def has_more_trials(self) -> bool:
        return bool(self._proposals) or self.is_waiting()

    def get_next_trials(self) -> tuple[Any, int] | None:
        if not self._proposals:
            return None
        point, trials = self._proposals.popleft()
        return (dict(zip(('width', 'kind'), point, strict=True)) if self._is_named else point), trials

    def on_hparams_found(self, values: Any, lr_min: float, lr_max: float, batch_size: int) -> None:
        point = architecture(values)
        self._untuned.discard(point)
        self._hear(_TUNING, point, lr_min, lr_max, batch_size)

    def on_trials_completed(self, values: Any, *scores: Any) -> None:
        point = architecture(values)
        for trial in zip(*(array.tolist() for array in scores), strict=True):
            self._missing[point] -= 1
            self.losses[point].append(trial[-1])
            self._hear('trial', point, *trial)

    def on_point_failed(self, values: Any, error: Any) -> None:
        point = architecture(values)
        self._untuned.discard(point)
        self._missing[point] = 0
        self.losses[point] = []
        self._hear('failure', point, error.kind, error.message)

    def _hear(self, what: str, point: Architecture, *values: Any) -> None:
        self.heard.append([what, *point, *values])
        self.decide()


class Generations(AdaptiveSelector):
    """Waits for a whole generation, then gives its best more trials and derives the next from them."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._generation = 1

    def decide(self) -> None:
        if self.is_waiting() or self._generation == 3:
            return
        self._generation += 1
        best, second, *_ = self.ranked()
        self.propose(best, 4)
        self.propose(second, 2)
        self.propose(self.derive(best), 3)
        self.propose(self.derive(second), 0 if self._generation == 2 else 2)


class Eager(AdaptiveSelector):
    """Decides after every single trial by what it has heard so far, so that the order of events counts."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._trials_heard = 0

    def decide(self) -> None:
        what, *point = self.heard[-1][:3]
        if what != 'trial' or self._trials_heard == 24:
            return
        self._trials_heard += 1
        best = self.ranked()[0]
        if tuple(point) == best:
            self.propose(best, 1)
        if self._trials_heard in (3, 6, 10, 15):
            self.propose(self.derive(best), 1 + self._trials_heard % 3)


def architecture(values: Any) -> Architecture:
    """Returns a point as it is to these selectors, whether it is named or not."""
    width, kind = (values['width'], values['kind']) if isinstance(values, Mapping) else values
    return width, kind


class Observed(Selector):
    """One of the package's selectors, and all that it was told, in order."""

    def __init__(self, selector: Selector) -> None:
        self._selector, self.heard = selector, list[list[Any]]()
        self.planned_looks = selector.planned_looks

    @property
    def looks_made(self) -> int:  # type: ignore[override]
        return self._selector.looks_made

    def ask(self) -> Proposal | Literal[Answer.WAIT, Answer.DONE]:
        return self._selector.ask()

    def tell(self, event: events.Event) -> None:
        match event:
            case events.PointTuned(point, tuned):
                self._hear(_TUNING, point, tuned.lr_min, tuned.lr_max, tuned.batch_size)
            case events.TrialsDone(point, trials, fraction):
                scores = [[index, trial.perf_val, trial.loss_val] for index, trial in trials.items()]
                self._hear('trials', point, fraction, scores)
            case events.PointFailed(point, error):
                self._hear('failure', point, error.kind, error.message)
        self._selector.tell(event)

    def _hear(self, what: str, point: Any, *values: Any) -> None:
        self.heard.append([what, *architecture(point), *values])


_SPACE = {'width': [_FAILING[0], *range(4, 12)], 'kind': list(_KINDS)}


def _evolution(seed: int) -> Observed:
    return Observed(EvolutionSweep(_SPACE, 9, 2, population=4, sample=2, in_flight=3, seed=seed))


def _racing(seed: int) -> Observed:
    return Observed(RacingSweep(_SPACE, 6, 8, first=2, seed=seed))


def _halving(seed: int) -> Observed:
    return Observed(HalvingSweep(_SPACE, 9, 3, eta=2, min_fraction=0.3, in_flight=4, seed=seed))


SELECTORS: Mapping[str, Callable[[int], AdaptiveSelector | Observed]] = {
    'generations': Generations,
    'eager': Eager,
    'evolution': _evolution,
    'racing': _racing,
    'halving': _halving,
}
