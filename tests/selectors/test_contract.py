"""Every selector of the package keeps the contract, and the contract notices one that does not."""

import itertools
import random

import pytest

from sweeper import (
    DONE,
    WAIT,
    Categorical,
    EvolutionSweep,
    FixedSweep,
    Float,
    GridSweep,
    HalvingSweep,
    Integer,
    Proposal,
    RacingSweep,
    RandomSweep,
    Selector,
    SelectorError,
    Space,
    events,
)
from sweeper.testing import SelectorContract, check_selector

SPACE = Space(
    {'width': Integer(1, 100, log=True), 'rate': Float(0.0, 1.0), 'kind': Categorical(['relu', 'tanh'])}
)
SMALL = Space({'depth': Integer(1, 4), 'kind': Categorical(['relu', 'tanh'])})


class TestFixed(SelectorContract):
    def make_selector(self):
        return FixedSweep([((16,), 2), ((32,), 0), ((16,), 1)])


class TestGrid(SelectorContract):
    def make_selector(self):
        return GridSweep(SMALL, trials=2)


class TestRandom(SelectorContract):
    def make_selector(self):
        return RandomSweep(SPACE, points=6, trials=2)


class TestHalving(SelectorContract):
    def make_selector(self):
        return HalvingSweep(SPACE, points=20, trials=2)


class TestHalvingOfFewPoints(SelectorContract):
    def make_selector(self):
        return HalvingSweep(SMALL, eta=2, min_fraction=0.3, in_flight=3)


class TestRacing(SelectorContract):
    def make_selector(self):
        return RacingSweep(SMALL, trials=8)


class TestEvolution(SelectorContract):
    def make_selector(self):
        return EvolutionSweep(SPACE, points=40, population=10)


class TestEvolutionOfAnExhaustedSpace(SelectorContract):
    def make_selector(self):
        return EvolutionSweep(SMALL, points=40, population=4, trials=2)


class TestEvolutionWithSeveralObjectives(SelectorContract):
    def make_selector(self):
        objectives = 'performance,parameters,seconds'
        return EvolutionSweep(SPACE, points=40, population=10, crossover=0.5, objectives=objectives)


# What keeps no contract


class Halving(Selector):
    """Keeps it: three points at a half of the training, then the best of them in full."""

    in_flight = 3
    ahead = False

    def __init__(self):
        self.left, self.open, self.scores, self.is_last = [1, 2, 3], 0, {}, False

    def ask(self):
        if self.left:
            self.open += 1
            return Proposal((self.left.pop(0),), 1, 0.5)
        if self.open and not self.ahead:
            return WAIT
        if self.is_last or not (self.scores or self.ahead):
            return DONE
        self.is_last, self.open = True, self.open + 1
        return Proposal(max(self.scores, key=self.scores.get) if self.scores else (1,), 1)

    def tell(self, event):
        if isinstance(event, events.TrialsDone):
            self.open -= 1
            self.scores[event.point] = event.trials[0].perf_val
        elif isinstance(event, events.PointFailed):
            self.open -= 1
            self.scores.pop(event.point, None)


class TestOwnHalving(SelectorContract):
    def make_selector(self):
        return Halving()


class OneAfterAnother(Selector):
    """Keeps it: proposes points one at a time, and ends after five."""

    in_flight = 1

    def __init__(self):
        self.proposed = self.done = 0

    def ask(self):
        if self.proposed > self.done:
            return WAIT
        if self.proposed == 5:
            return DONE
        self.proposed += 1
        return Proposal((self.proposed,), 1)

    def tell(self, event):
        self.done += isinstance(event, events.TrialsDone | events.PointFailed)


class TestOneAfterAnother(SelectorContract):
    def make_selector(self):
        return OneAfterAnother()


class TooEarly(Halving):
    ahead = True
    in_flight = 4


class TooMany(Halving):
    in_flight = 2


class WithoutSeed(OneAfterAnother):
    def ask(self):
        answer = super().ask()
        return Proposal((random.random(),), 1) if isinstance(answer, Proposal) else answer


class Counting(OneAfterAnother):
    """Does not propose the same when it is resumed."""

    counter = itertools.count()

    def ask(self):
        answer = super().ask()
        return Proposal((next(self.counter),), 1) if isinstance(answer, Proposal) else answer


class DeafToFailures(OneAfterAnother):
    def tell(self, event):
        self.done += isinstance(event, events.TrialsDone)


class RaisesOnFailures(OneAfterAnother):
    def tell(self, event):
        if isinstance(event, events.PointFailed):
            raise ZeroDivisionError
        super().tell(event)


class Endless(OneAfterAnother):
    def ask(self):
        self.proposed = self.done = self.proposed + 1
        return Proposal((self.proposed,), 1)

    in_flight = None


class NeverAdapts(OneAfterAnother):
    adaptive = False


class Nothing(OneAfterAnother):
    def ask(self):
        return DONE


class Unsure(OneAfterAnother):
    """Ends as if it were over, and then goes on."""

    def ask(self):
        answer = super().ask()
        if answer is DONE and self.done == 5:
            self.done = self.proposed = 4
        return answer


@pytest.mark.parametrize(
    ('kind', 'error', 'message'),
    [
        (TooEarly, AssertionError, 'wait until it is told'),
        (TooMany, AssertionError, '3 proposals are in flight'),
        (WithoutSeed, AssertionError, None),
        (Counting, AssertionError, None),
        (DeafToFailures, SelectorError, 'while nothing is running'),
        (RaisesOnFailures, ZeroDivisionError, None),
        (Endless, AssertionError, 'does not end'),
        (NeverAdapts, SelectorError, 'waits for results'),
        (Nothing, AssertionError, 'proposes nothing'),
        (Unsure, AssertionError, 'when all is over'),
        (lambda: 3, AssertionError, '3 is no Selector'),
    ],
    ids=lambda value: getattr(value, '__name__', None),
)
def test_the_contract_notices(kind, error, message):
    with pytest.raises(error, match=message):
        check_selector(kind)


@pytest.mark.parametrize('kind', [Halving, OneAfterAnother])
def test_one_that_keeps_it_passes(kind):
    check_selector(kind)
