"""Every listener of the package keeps the contract, and the contract notices one that does not."""

import random
import sys
from contextlib import ExitStack
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from sweeper import SweepListener, events
from sweeper.events import (
    PointFailed,
    PointFlagged,
    PointTuned,
    Status,
    SweepEnded,
    SweepStarted,
    TrialsDone,
)
from sweeper.report.live.live import LiveProgress
from sweeper.report.live.plain import PlainProgress
from sweeper.report.live.screen import TerminalScreen
from sweeper.report.live.status_file import StatusWriter
from sweeper.store.layout import SweepLayout
from sweeper.store.lock import holder, locked
from sweeper.store.status_file import read_note
from sweeper.testing import ListenerContract, check_listener
from sweeper.testing.events import NAMED_POINTS, POINTS, SimulatedEvents
from sweeper.testing.results import SimulatedResults


class TestNothing(ListenerContract):
    def make_listener(self, folder):
        return SweepListener()


class TestPlainProgress(ListenerContract):
    is_reusable = False  # it counts what is found on disk

    def make_listener(self, folder):
        return PlainProgress(clock=lambda: 0.0)


class TestLiveProgress(ListenerContract):
    is_reusable = False  # its thread ends with the sweep

    def make_listener(self, folder):
        return LiveProgress(
            TerminalScreen(Console(file=(folder / 'terminal').open('w'), force_terminal=True))
        )


class TestStatusWriter(ListenerContract):
    is_reusable = False  # the same

    @pytest.fixture(autouse=True)
    def _locks(self):
        with ExitStack() as self.locks:
            yield

    def make_listener(self, folder):
        layout = SweepLayout(folder)
        if not layout.running.exists():
            self.locks.enter_context(locked(folder))
        return StatusWriter(SimpleNamespace(layout=layout, id_of=[*POINTS, *NAMED_POINTS].index))

    def content(self, folder):
        note, _ = read_note(holder(folder))
        return note.points, note.trials, note.cores


@pytest.mark.slow
@pytest.mark.skipif(find_spec('tensorboard') is None, reason='TensorBoard is not installed')
class TestTensorBoard(ListenerContract):
    def make_listener(self, folder):
        from sweeper import TensorBoardListener

        return TensorBoardListener(folder.parent / 'runs')

    def content(self, folder):
        from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

        multiplexer = EventMultiplexer().AddRunsFromDirectory(str(folder.parent / 'runs'))
        multiplexer.Reload()
        runs = {name: multiplexer.GetAccumulator(name) for name in multiplexer.Runs()}
        assert len(runs) >= 7
        return {
            name: {tag: [event.value for event in run.Scalars(tag)] for tag in run.Tags()['scalars']}
            for name, run in runs.items()
        }


@pytest.mark.slow
@pytest.mark.skipif(not all(map(find_spec, ('mlflow', 'sqlalchemy'))), reason='MLflow is not installed')
class TestMLflow(ListenerContract):
    @pytest.fixture(autouse=True)
    def _database(self, tmp_path_factory, request):
        """One that all tests share: to make one takes long."""
        cls = type(self)
        if not hasattr(cls, 'database'):
            cls.database = tmp_path_factory.mktemp('mlflow')

    def make_listener(self, folder):
        from sweeper import MLflowListener

        return MLflowListener(str(folder), self.database)

    def content(self, folder):
        from mlflow import MlflowClient

        client = MlflowClient(f'sqlite:///{self.database}/mlflow.db')
        experiment = client.get_experiment_by_name(str(folder))
        runs = [(run.info, run.data) for run in client.search_runs([experiment.experiment_id])]
        assert len(runs) >= 13
        tags = 'sweeper.flags', 'sweeper.error'
        return sorted(
            repr((info.run_name, sorted(data.params.items()), sorted(data.metrics.items()), info.status,
                  [data.tags.get(tag) for tag in tags]))
            for info, data in runs
        )  # fmt: skip


# What keeps no contract


class Best:
    """Keeps it: remembers the best trial of the sweep that goes on."""

    def handle(self, event):
        match event:
            case SweepStarted():
                self.scores = {}
            case TrialsDone(point, trials):
                self.scores.setdefault(point, {}).update(trials)
            case SweepEnded() if self.scores:
                max(trial.perf_val for trials in self.scores.values() for trial in trials.values())


class Misspelt(SweepListener):
    def on_trial_completed(self, *told):
        pass


class Deaf:
    pass


class Empty(Best):
    def handle(self, event):
        super().handle(event)
        if isinstance(event, SweepEnded):
            max(map(len, self.scores.values()))  # nothing was done, perhaps


class Untuned(Best):
    def __init__(self):
        self.tuned = set()

    def handle(self, event):
        if isinstance(event, PointTuned):
            self.tuned.add(event.point)
        elif isinstance(event, PointFailed):
            self.tuned.remove(event.point)


class NamesOnly(Best):
    def handle(self, event):
        if isinstance(event, PointTuned):
            dict(zip(['width', 'kind'], event.point, strict=True))['kind'].upper()
            event.point['width']


class ToldOnce(Best):
    """Refuses to be told of a trial again."""

    def __init__(self, folder):
        self.folder = folder

    def handle(self, event):
        if isinstance(event, TrialsDone):
            for index in event.trials:
                (self.folder / f'{hash(event.point)} {index}').touch(exist_ok=False)


class Started(Best):
    """Is told of one sweep only."""

    folder = None

    def handle(self, event):
        if isinstance(event, SweepStarted):
            assert self.folder in (None, event.folder), 'another sweep'
            self.folder = event.folder


class Modifying(Best):
    def handle(self, event):
        if isinstance(event, TrialsDone):
            event.trials.clear()


class Drawing(Best):
    def __init__(self, draw):
        self.draw = draw

    def handle(self, event):
        self.draw()


class Exiting(Best):
    def handle(self, event):
        if isinstance(event, PointFlagged):
            sys.exit('enough')


BROKEN = [
    (lambda folder: Misspelt(), r'did you mean on_trials_completed\?'),
    (lambda folder: Deaf(), 'must be a list of SweepListener'),
    (lambda folder: Best, 'must be a list of SweepListener'),
    (lambda folder: Empty(), 'raised ValueError.* when it was told SweepEnded.* goes on without it'),
    (lambda folder: Untuned(), 'raised KeyError.* when it was told PointFailed'),
    (lambda folder: NamesOnly(), 'raised TypeError.* when it was told PointTuned'),
    (ToldOnce, 'raised FileExistsError.* when it was told TrialsDone'),
    (lambda folder: Started(), 'another sweep'),
    (lambda folder: Modifying(), r'it changed what others are told: TrialsDone.*trials=\{\}'),
    (lambda folder: Drawing(random.random), 'told SweepStarted, it used the random numbers'),
    (lambda folder: Drawing(lambda: np.random.rand()), 'told SweepStarted, it used the random numbers'),
    (lambda folder: Exiting(), r"SystemExit\('enough'\) when it was told PointFlagged.*: a sweep ends"),
]


@pytest.mark.parametrize(
    ('make', 'message'), BROKEN, ids=lambda value: value if isinstance(value, str) else ''
)
def test_the_contract_notices(make, message):
    if make is ToldOnce:
        make = lambda folder: ToldOnce(folder)  # noqa: E731 - a class is no function of the folder
    with pytest.raises(AssertionError, match=f'(?s){message}'):
        check_listener(make)


def test_one_that_keeps_it_passes():
    check_listener(lambda folder: Best())


class Kept(ListenerContract):
    """What one kept is compared."""

    def __init__(self, forgets):
        self.forgets, self.kept = forgets, {}

    def make_listener(self, folder):
        listener = SimpleNamespace(trials=[])
        listener.handle = lambda event: self.handle(listener, folder, event)
        return listener

    def handle(self, listener, folder, event):
        match event:
            case SweepStarted() if self.forgets:
                listener.trials.clear()
            case TrialsDone(point, trials):
                listener.trials += [(point, index) for index in trials]
                self.kept[folder] = sorted(map(repr, listener.trials))

    def content(self, folder):
        return self.kept[folder]


def test_what_is_kept_depends_on_neither_interruptions_nor_earlier_sweeps():
    for name in (name for name in dir(Kept) if name.startswith('test_')):
        getattr(Kept(forgets=True), name)()
    with pytest.raises(AssertionError, match='something else if resumed'):
        Kept(forgets=False).test_one_object_is_told_of_a_sweep_that_is_interrupted_and_resumed()
    with pytest.raises(AssertionError, match='depends on those that it was told of before'):
        Kept(forgets=False).test_one_object_is_told_of_several_sweeps_one_after_the_other()


# What is simulated is what sweeps tell


def check_order(told, is_new):
    """Checks the order of a sweep's events; `is_new` says that nothing was there before."""
    kinds = [type(event) for event in told]
    assert kinds[0] is SweepStarted and kinds[-1] is SweepEnded
    assert kinds.count(SweepStarted) == kinds.count(SweepEnded) == 1
    first = kinds.index(Status) if Status in kinds else len(kinds)
    assert not is_new or kinds[:2] == [SweepStarted, Status]
    tuned, failed, trials, flags = set(), set(), set(), {}
    for number, event in enumerate(told):
        if isinstance(event, PointTuned | TrialsDone | PointFlagged | PointFailed):
            assert event.point not in failed
        match event:
            case PointTuned(point):
                assert point not in tuned
                tuned.add(point)
            case TrialsDone(point, done, fraction):
                new = {(point, index) for index in done}
                assert point in tuned and done and fraction == 1.0 and list(done) == sorted(done)
                assert not new & trials and (number > first or not {p for p, _ in trials} & {point})
                trials |= new
            case PointFlagged(point, now):
                assert point in tuned and now != flags.get(point, ())
                flags[point] = now
            case PointFailed(point):
                assert type(event) is PointFailed
                failed.add(point)
            case Status():
                assert (event.tuned, event.failed) == (len(tuned), len(failed))
    return tuned, trials, failed


@pytest.mark.parametrize('failing', [0.0, 0.3])
def test_simulated_sweeps_tell_in_order_and_all_again_when_they_are_resumed(tmp_path, failing):
    for seed in range(20):
        sweep = SimulatedEvents(tmp_path, SimulatedResults(failing, 0.3), trials=4, seed=seed)
        tuned, trials, failed = check_order(sweep.events(), is_new=True)
        for on_disk in range(len(sweep) + 1):
            check_order(sweep.events(until=on_disk), is_new=True)
            again = check_order(sweep.events(on_disk), is_new=on_disk == 0)
            assert again[0] == tuned and again[2] == failed
            assert {run for run in again[1] ^ trials if run[0] not in failed} == set()


class Recorder:
    def __init__(self):
        self.events = []

    def handle(self, event):
        self.events.append(event)


def test_real_sweeps_tell_in_the_same_order(logged):
    points, first, resumed, last = [((2,), 3), ((9,), 1), ((4,), 2)], Recorder(), Recorder(), Recorder()
    with pytest.raises(KeyboardInterrupt):
        logged(first, points, interrupted=True)
    for recorder in (resumed, last):
        logged(recorder, points)
    check_order(first.events, is_new=True)
    assert (
        check_order(resumed.events, is_new=False)
        == check_order(last.events, is_new=False)
        == ({(2,), (4,)}, {((2,), 0), ((2,), 1), ((2,), 2), ((4,), 0), ((4,), 1)}, {(9,)})
    )
    kinds = [type(event) for event in last.events if not isinstance(event, events.Status)]
    assert last.events.index(next(e for e in last.events if isinstance(e, Status))) == len(kinds) - 1
