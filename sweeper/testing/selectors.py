"""What every selector does, as tests.

    from sweeper.testing import SelectorContract

    class TestHillClimb(SelectorContract):
        def make_selector(self):
            return HillClimb(space, points=30)

Nothing is trained: `SimulatedResults` stands for networks, and the selector is asked and told as in a sweep.
`check_selector(make)` does the same without pytest's collection.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from ..errors import SelectorError
from ..events import Event, PointFailed, PointTuned, SweepEnded, SweepStarted, TrialsDone
from ..metric import PERFORMANCE, MetricInfo
from ..points import as_point
from ..run.driver import Request, SelectorDriver
from ..selectors.base import DONE, WAIT, Answer, Proposal, Selector
from .results import Run, SimulatedResults

MOST_PROPOSALS = 2_000
"""A selector that is made for its contract proposes no more than that."""

LOSS_LIKE = MetricInfo('error', higher=False)

Choice = Callable[[list[Run]], Sequence[Run]]


class ObservedSelector(Selector):
    """Passes everything on to a selector, and sees that it keeps to the rules of the conversation.

    Attributes:
        words: All that was said: proposals, answers and events, in order.
        open: Proposals whose results it was not told of.
    """

    def __init__(self, selector: Selector) -> None:
        assert isinstance(selector, Selector), f'{selector!r} is no Selector'
        self._selector, self.adaptive = selector, selector.adaptive
        self._most = selector.in_flight
        self.words: list[object] = []
        self.open: list[Proposal] = []

    def ask(self) -> Proposal | Literal[Answer.WAIT, Answer.DONE]:
        answer = self._selector.ask()
        if isinstance(answer, Proposal):
            proposals = sum(isinstance(word, Proposal) for word in self.words)
            assert proposals < MOST_PROPOSALS, f'it does not end: {MOST_PROPOSALS} proposals so far'
            self._check_fraction(answer)
            self.open += [answer] if answer.trials else []
            assert self._most is None or len(self.open) <= self._most, (
                f'{len(self.open)} proposals are in flight; it says that there are {self._most} at most'
            )
            answer = Proposal(as_point(answer.point), answer.trials, answer.fraction)
        self.words.append(answer)
        return answer

    def _check_fraction(self, new: Proposal) -> None:
        point = as_point(new.point)
        for other in self.open:
            assert as_point(other.point) != point or other.fraction >= new.fraction, (
                f'{new.point!r} is proposed at a fraction of {new.fraction} while its trials at '
                f'{other.fraction} are under way: wait until it is told of them'
            )

    def tell(self, event: Event) -> None:
        match event:
            case TrialsDone(point, _, fraction):
                done = (as_point(point), fraction)
                places = [(as_point(other.point), other.fraction) for other in self.open]
                del self.open[places.index(done)]
            case PointFailed(point):
                self.open = [other for other in self.open if as_point(other.point) != as_point(point)]
        if isinstance(event, PointTuned | TrialsDone | PointFailed):
            self.words.append(event)
        self._selector.tell(event)


class SimulatedSweep:
    """A sweep of simulated results: asks and tells a selector as a real one does.

    Args:
        selector: New.
        results: What runs come to, and which of them are done already.
        metric: The objective.
    """

    def __init__(
        self, selector: Selector, results: SimulatedResults, metric: MetricInfo = PERFORMANCE
    ) -> None:
        self.selector, self.results = ObservedSelector(selector), results
        self._open: list[Request] = []
        self._driver = SelectorDriver(self.selector, results, lambda _: None)
        self.selector.tell(SweepStarted(results.folder, (), (metric,)))

    def go_on(self) -> list[Run]:
        """Asks and tells until it is to wait; returns the runs that could be done next."""
        while True:
            self._open += self._driver.ask()
            if not self._driver.tell():
                break
        missing = [(request, self.results.missing(request)) for request in self._open]
        self._open = [request for request, runs in missing if runs]
        return list(dict.fromkeys(run for _, runs in missing for run in runs))

    def run(self, choose: Choice, most: int | None = None) -> None:
        """Has runs done as `choose(runs)` says until the sweep is over, or so many times."""
        left = self.go_on()
        while left and most != 0:
            self.results.finish(choose(left))
            left, most = self.go_on(), None if most is None else most - 1
        if left:
            return
        if not self._driver.is_over:
            raise SelectorError('it waits for results while nothing is running')
        assert all(self.selector.ask() is DONE for _ in range(3)), 'it proposes more when all is over'
        self.selector.tell(SweepEnded())


def _everything(runs: list[Run]) -> Sequence[Run]:
    return runs


def _some(seed: int, most: int) -> Choice:
    rng = random.Random(seed)
    return lambda runs: rng.sample(runs, min(rng.randint(1, most), len(runs)))


class SelectorContract:
    """Tests of a selector: inherit and say how to make one.

    It should be a small one, of a hundred proposals or so.
    """

    def make_selector(self) -> Selector:
        """Returns a new selector, equal to the last one returned."""
        raise NotImplementedError

    def _sweep(
        self, results: SimulatedResults, choose: Choice = _everything, metric: MetricInfo = PERFORMANCE
    ) -> list[object]:
        sweep = SimulatedSweep(self.make_selector(), results, metric)
        sweep.run(choose)
        return sweep.selector.words

    def test_it_proposes_something_and_ends(self) -> None:
        words = self._sweep(SimulatedResults())
        assert any(isinstance(word, Proposal) for word in words), 'it proposes nothing'

    def test_one_that_does_not_adapt_never_waits(self) -> None:
        selector = self.make_selector()
        if not selector.adaptive:
            assert WAIT not in self._sweep(SimulatedResults())

    def test_equal_selectors_that_are_told_the_same_decide_the_same(self) -> None:
        expected, states = self._sweep(SimulatedResults()), (random.getstate(), np.random.get_state())
        try:
            for seed in (1, 2):
                random.seed(seed)
                np.random.seed(seed)
                assert self._sweep(SimulatedResults()) == expected, 'it uses random numbers without a seed'
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])

    def test_the_order_in_which_runs_are_done_makes_no_difference(self) -> None:
        expected = self._sweep(SimulatedResults())
        for seed, most in enumerate((1, 1, 3, 20)):
            assert self._sweep(SimulatedResults(), _some(seed, most)) == expected

    def test_resumed_with_results_on_disk_it_proposes_the_same_again_and_goes_on(self) -> None:
        expected = self._sweep(SimulatedResults(failing=0.1))
        for interruption in (0, 1, 3, 10, 30):
            results, choose = SimulatedResults(failing=0.1), _some(interruption, 5)
            for _ in range(3):
                SimulatedSweep(self.make_selector(), results).run(choose, most=interruption)
            assert self._sweep(results, choose) == expected

    def test_points_that_fail_cost_themselves_only(self) -> None:
        for failing in (0.3, 1.0):
            self._sweep(SimulatedResults(failing=failing), _some(0, 5))

    def test_trials_that_diverge_are_results(self) -> None:
        for diverging in (0.3, 1.0):
            self._sweep(SimulatedResults(diverging=diverging))
            self._sweep(SimulatedResults(diverging=diverging, metric=LOSS_LIKE), metric=LOSS_LIKE)

    def test_all_results_may_be_equal(self) -> None:
        self._sweep(SimulatedResults(spread=0.0))


def check_selector(make_selector: Callable[[], Selector]) -> None:
    """Runs all tests of `SelectorContract`.

    Args:
        make_selector: Returns a new selector, equal to the last one returned.

    Raises:
        AssertionError: It breaks its contract; the message says how.
    """

    class Contract(SelectorContract):
        def make_selector(self) -> Selector:
            return make_selector()

    contract = Contract()
    for name in dir(contract):
        if name.startswith('test_'):
            getattr(contract, name)()
