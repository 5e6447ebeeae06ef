"""What every listener does, as tests.

    from sweeper.testing import ListenerContract

    class TestSeconds(ListenerContract):
        def make_listener(self, folder):
            return Seconds()

Nothing is trained: the listener is told of simulated sweeps, in the order in which real ones tell.
`check_listener(make_listener)` does the same without pytest's collection.
"""

from __future__ import annotations

import pickle
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ..errors import InvalidArgument
from ..events import Event, SweepEnded, SweepStarted
from ..listeners.base import Listener, checked_listeners
from ..metric import MetricInfo
from .events import NAMED_POINTS, POINTS, SimulatedEvents
from .results import SimulatedResults

LOSS_LIKE = MetricInfo('error', higher=False)


def tell(listener: Listener, events: Sequence[Event]) -> None:
    """Tells a listener of events, as a sweep does, and sees that it only listens.

    Raises:
        AssertionError: It raises, changes an event, or draws from the process's random numbers.
    """
    before = [repr(event) for event in events]
    for event in events:
        name, states = type(event).__name__, _random_states()
        try:
            listener.handle(event)
        except (Exception, SystemExit) as error:
            follows = 'goes on without it' if isinstance(error, Exception) else 'ends'
            raise AssertionError(
                f'it raised {error!r} when it was told {event!r}: a sweep {follows}'
            ) from error
        assert _random_states() == states, f'told {name}, it used the random numbers of the whole process'
    for event, text in zip(events, before, strict=True):
        assert repr(event) == text, f'it changed what others are told: {event!r} was {text}'


def _random_states() -> tuple[bytes, ...]:
    states = [pickle.dumps(random.getstate()), pickle.dumps(np.random.get_state())]
    if 'torch' in sys.modules:
        states.append(sys.modules['torch'].get_rng_state().numpy().tobytes())
    return tuple(states)


@contextmanager
def _folders(names: str) -> Iterator[list[Path]]:
    """Empty folders, of which each is one sweep's."""
    with TemporaryDirectory() as parent:
        folders = [Path(parent, name, 'sweep').resolve() for name in names]
        for folder in folders:
            folder.mkdir(parents=True)
        yield folders


class ListenerContract:
    """Tests of a listener: inherit and say how to make one.

    Attributes:
        is_reusable: Whether one object may be told of several sweeps, one after the other, and of one that
            is interrupted and resumed in the same process, as whoever passes it to `sweep` twice expects.
    """

    is_reusable = True

    def make_listener(self, folder: Path) -> Listener:
        """Returns a new listener.

        Args:
            folder: That of the sweep that it is told of first. When a sweep is resumed, it is the same again.
        """
        raise NotImplementedError

    def content(self, folder: Path) -> object:
        """Returns what listeners that were made for a folder have kept, to be compared by `==`.

        Override it for a listener that keeps something; without it, nothing is compared.
        """
        return None

    def test_it_is_a_listener_and_all_its_methods_are_called(self) -> None:
        with _folders('a') as [folder]:
            try:
                checked_listeners([self.make_listener(folder)])
            except InvalidArgument as error:
                raise AssertionError(str(error)) from error

    def test_it_can_be_told_of_a_sweep(self) -> None:
        for points in (POINTS, NAMED_POINTS):
            for seed in range(2):
                with _folders('a') as [folder]:
                    tell(
                        self.make_listener(folder), SimulatedEvents(folder, seed=seed, points=points).events()
                    )

    def test_points_may_fail_and_trials_diverge(self) -> None:
        for failing, diverging in ((0.3, 0.3), (1.0, 0.0), (0.0, 1.0)):
            with _folders('a') as [folder]:
                results = SimulatedResults(failing, diverging, metric=LOSS_LIKE)
                sweep = SimulatedEvents(folder, results, metric=LOSS_LIKE)
                tell(self.make_listener(folder), sweep.events())
                tell(self.make_listener(folder), sweep.events(on_disk=len(sweep)))

    def test_a_sweep_may_end_before_anything_is_done(self) -> None:
        with _folders('a') as [folder]:
            tell(self.make_listener(folder), [SweepStarted(folder, ()), SweepEnded()])
            tell(self.make_listener(folder), SimulatedEvents(folder).events(until=0))

    def test_told_again_when_a_sweep_is_resumed_it_has_everything_once(self) -> None:
        for is_killed in (True, False):
            with _folders('ab') as [folder, whole]:
                tell(self.make_listener(whole), SimulatedEvents(whole).events())
                sweep = SimulatedEvents(folder)
                first, second = len(sweep) // 3, 2 * len(sweep) // 3
                earlier = [self.make_listener(folder) for _ in range(2)]
                for listener, (on_disk, until) in zip(earlier, ((0, first), (first, second)), strict=True):
                    events = sweep.events(on_disk, until)
                    # A process that is killed tells neither the last that is on disk nor that it is over.
                    tell(listener, events[:-3] if is_killed else events)
                for on_disk in (second, len(sweep)):
                    tell(self.make_listener(folder), sweep.events(on_disk))
                assert self.content(folder) == self.content(whole), 'it keeps something else if resumed'
                for listener in earlier * is_killed:
                    listener.handle(SweepEnded())  # threads would have died with their process

    def test_one_object_is_told_of_a_sweep_that_is_interrupted_and_resumed(self) -> None:
        if not self.is_reusable:
            return
        with _folders('ab') as [folder, whole]:
            tell(self.make_listener(whole), SimulatedEvents(whole).events())
            sweep, listener = SimulatedEvents(folder), self.make_listener(folder)
            half = len(sweep) // 2
            for events in (sweep.events(until=half), sweep.events(half), sweep.events(len(sweep))):
                tell(listener, events)
            assert self.content(folder) == self.content(whole), 'it keeps something else if resumed'

    def test_one_object_is_told_of_several_sweeps_one_after_the_other(self) -> None:
        if not self.is_reusable:
            return
        with _folders('abc') as [folder, other, new]:
            listener, second = self.make_listener(folder), SimulatedEvents(new, _OTHERS, trials=2, seed=1)
            half = len(second) // 2
            tell(self.make_listener(folder), second.events(until=half))
            tell(listener, SimulatedEvents(folder).events())
            tell(listener, second.events(half))
            tell(self.make_listener(other), second.events(until=half))
            tell(self.make_listener(other), SimulatedEvents(other).events())
            tell(self.make_listener(other), second.events(half))
            assert self.content(folder) == self.content(other), (
                'what it keeps of a sweep depends on those that it was told of before'
            )


_OTHERS = SimulatedResults(spread=0.3)


def check_listener(make_listener: Callable[[Path], Listener]) -> None:
    """Runs all tests of `ListenerContract`.

    Args:
        make_listener: Returns a new listener, given the folder of the sweep that it is told of first.

    Raises:
        AssertionError: It breaks its contract; the message says how.
    """

    class Contract(ListenerContract):
        def make_listener(self, folder: Path) -> Listener:
            return make_listener(folder)

    contract = Contract()
    for name in vars(ListenerContract):
        if name.startswith('test_'):
            getattr(contract, name)()
