"""However often a sweep is interrupted and started again, it ends as if it never had been."""

import csv
import hashlib
import itertools
import json
import random
import shutil
import warnings
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from sweeper import FixedSweep, ParamSelector, SweepListener, load, train
from sweeper.errors import (
    DamagedFileWarning,
    EqualPointsWarning,
    FolderError,
    InvalidPoint,
    ListenerWarning,
    PointFailed,
    PointFailedWarning,
)
from sweeper.executors import inline
from sweeper.executors.base import Outcome, RunError
from sweeper.io import files
from sweeper.io.files import AtomicWriter
from sweeper.points import as_point
from sweeper.seeding import run_seed

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings('ignore::sweeper.errors.PointFailedWarning')]


class Killed(BaseException):
    """As if the process were killed: nothing that comes after it reaches the disk."""


ROUND_OF = {run_seed(seed, f'candidates {number}', 0): number for seed in range(2) for number in range(2)}


def name_of(task):
    """A run's name in its point; that of a brief training with its round, since each has a `candidates 0`."""
    if task.function != 'train_briefly':
        return task.name
    return f'{task.name} of round {ROUND_OF[task.arguments["seed"]]}'


class Runs:
    """Stands between the executor and what it runs: notes every run, trains each only once, interrupts.

    What a run comes to depends on its task alone, so here its second outcome may be the first once more.

    Attributes:
        done: The runs that were finished, as `(point, name)`, in order.
        left: How many may still be started before Ctrl-C is pressed; None for no limit.
        fail: Runs that fail.
    """

    def __init__(self):
        self.done, self.left, self.fail = [], None, set()
        self._known = {}
        self._perform = inline.perform

    def perform(self, workspace, task, *isolation):
        if task.function == 'dry_run':  # a check of the problem, of which nothing is kept
            return self._perform(workspace, task, *isolation)
        return self._outcome(workspace, task, *isolation), []

    def _outcome(self, workspace, task, *isolation):
        if self.left == 0:
            raise KeyboardInterrupt
        self.left = self.left and self.left - 1
        run = task.point, name_of(task)
        self.done.append(run)
        if run in self.fail:
            return Outcome(
                error=RunError('ValueError', f'{run} fails', 'Traceback: …', None, 'and says so\n')
            )
        text = json.dumps(
            [workspace.problem.path, *run, task.arguments], default=np.ndarray.tolist, sort_keys=True
        )
        if text not in self._known:
            self._known[text], _ = self._perform(workspace, task, *isolation)
            assert self._known[text].error is None
        return self._known[text]

    def forget(self):
        """Forgets which runs were done, not what they came to."""
        self.done = []

    def kinds(self):
        return Counter(self.done)


@pytest.fixture(autouse=True)
def names(monkeypatch):
    """What the store has for the module `os`: without waiting for the disk, since only processes end here."""
    instead = SimpleNamespace(**{**vars(files.os), 'fsync': lambda descriptor: None})
    monkeypatch.setattr(files, 'os', instead)
    return instead


@pytest.fixture(scope='module')
def known_runs():
    return Runs()


@pytest.fixture
def runs(known_runs, monkeypatch):
    known_runs.forget()
    known_runs.left, known_runs.fail = None, set()
    monkeypatch.setattr(inline, 'perform', known_runs.perform)
    return known_runs


@pytest.fixture(scope='module')
def problem(tmp_path_factory, problem_file):
    return problem_file(tmp_path_factory.mktemp('problem')).path


def contents(folder):
    """All that is in a folder by its relative path, without logs and timings."""
    found = {}
    for path in folder.rglob('*'):
        name = path.relative_to(folder).as_posix()
        if path.is_dir():
            found[name] = 'a folder'
        elif path.name == 'result.json':
            found[name] = {
                key: value
                for key, value in json.loads(path.read_text()).items()
                if key not in ('seconds', 'checksum')
            }
        elif path.name == 'results.csv':
            rows = csv.DictReader(path.read_text().splitlines())
            found[name] = [{key: value for key, value in row.items() if key != 'seconds'} for row in rows]
        elif path.name != 'log.txt':
            found[name] = path.read_bytes()
    return found


def assert_same(folder, reference, looks=None):
    """Two folders are the same but for timings; and for looks, if a number of them is given."""
    ours, theirs = contents(folder), contents(reference)
    if looks is not None:
        for found, count in ((ours, looks), (theirs, 1)):
            for name in ('sweep.json', 'copies/sweep.json'):
                found[name] = json.loads(found[name])
                assert len(found[name].pop('looks')) == count
                del found[name]['checksum']
    assert sorted(ours) == sorted(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []


class Heard:
    """Mixed into a selector or a listener: notes what it is told, and raises where it is to."""

    def __init__(self, *arguments, raises=None, at=None, **options):
        super().__init__(*arguments, **options)
        self.heard, self.calls = [], 0
        self._raises, self._at = raises, at

    def _hear(self, what, *details):
        self.calls += 1
        if self._raises is not None and self.calls - 1 == self._at:
            raise self._raises
        self.heard.append((what, *details))

    def on_hparams_found(self, values, *numbers):
        self._hear('tuned', values, *numbers)

    def on_trials_completed(self, values, *scores):
        self._hear('trials', values, *(tuple(array.tolist()) for array in scores))

    def on_point_failed(self, values, error):
        self._hear('failed', values, error)

    def on_end(self):
        self._hear('end')


class Listener(Heard, SweepListener):
    def on_status(self, status):
        self._hear('status', status)

    def results(self):
        return [event for event in self.heard if event[0] not in ('status', 'end')]


class Fixed(Heard, FixedSweep):
    def get_next_trials(self):
        self._hear('asked')
        return super().get_next_trials()


class Adaptive(Heard, ParamSelector):
    """Tries some points, the best more often, and derives others from every bit of what it hears."""

    def __init__(self, **options):
        super().__init__(**options)
        self._proposals = [((5,), 1), ((9,), 1), ((7,), 2), ((6,), 0)]
        self._losses, self._missing, self._decisions = {}, {5, 9, 7, 6}, 0

    def _hear(self, what, *details):
        super()._hear(what, *details)
        if what in ('asked', 'end'):
            return
        (width,) = details[0]
        if what != 'tuned' or width == 6:
            self._missing.discard(width)
        if what == 'trials':
            self._losses.setdefault(width, []).extend(details[-1])
        if len(self._missing) <= 1 and self._decisions < 2 and self._losses:
            self._decisions += 1
            best = min(self._losses, key=lambda width: min(self._losses[width]))
            digest = hashlib.sha256(repr((self.heard, best)).encode()).digest()
            new = 10 + 4 * self._decisions + digest[0] % 4
            self._missing |= {best, new}
            self._proposals += [((best,), 1), ((new,), 1 + digest[1] % 2)]

    def has_more_trials(self):
        return bool(self._proposals) or self._decisions < 2

    def get_next_trials(self):
        self._hear('asked')
        return self._proposals.pop(0) if self._proposals else None


POINTS = [((3,), 2), ((4,), 1), ((2,), 0), ((8,), 2), ((3,), 1)]
FAILING = {((4,), 'candidates 0 of round 0'), ((8,), 'trial 0'), ((7,), 'trial 1')}
SELECTORS = {'fixed': lambda **options: Fixed(POINTS, **options), 'adaptive': Adaptive}
both_selectors = pytest.mark.parametrize('make_selector', SELECTORS.values(), ids=SELECTORS)


@pytest.fixture(params=[1, 3], ids=['one core', 'three cores'])
def cores(request):
    return request.param


@pytest.fixture
def start(runs, problem, tmp_path, sweep_inline):
    """Starts a sweep in a folder of that name; some runs of it fail."""
    runs.fail = FAILING

    def run(name, selector, **options):
        return sweep_inline(problem, selector, tmp_path / name, **options)

    return run


@pytest.fixture
def whole(start, runs, tmp_path, make_selector):
    """The same sweep, never interrupted."""
    selector = make_selector()
    results = start('whole', selector)
    done = runs.kinds()
    assert set(done.values()) == {1}
    runs.forget()
    return SimpleNamespace(folder=tmp_path / 'whole', results=results, done=done, heard=selector.heard)


# Interrupted


@both_selectors
def test_interrupted_before_any_run_and_started_again_it_is_as_if_it_never_was(
    start, whole, runs, tmp_path, make_selector
):
    for before in range(sum(whole.done.values()) + 1):
        runs.forget()
        runs.left, name = before, f'interrupted-{before}'
        if before < sum(whole.done.values()):
            with pytest.raises(KeyboardInterrupt):
                start(name, make_selector(), cores=3)
            assert len(runs.done) == before
        runs.left, selector, listener = None, make_selector(), Listener()
        results = start(name, selector, cores=2, listeners=[listener])
        assert runs.kinds() == whole.done, f'interrupted before run {before}'
        assert_same(tmp_path / name, whole.folder)
        assert selector.heard == whole.heard
        assert str(results) == str(whole.results) and results.failures == whole.results.failures
        check_told_once(listener, results)


def check_told_once(listener, results):
    """Whatever is there was told once; of a point that failed, nothing after that."""
    told, trials = Counter(), Counter()
    for what, point, *details in listener.results():
        if what == 'trials':
            trials[point] += len(details[-1])
            assert ('tuned', point) in told and ('failed', point) not in told
        else:
            told[what, point] += 1
    assert set(told.values()) == {1}
    assert {point for what, point in told if what == 'failed'} == {point for point, _ in results.failures}
    for result in results:
        assert ('tuned', result.params) in told
        assert trials[result.params] == len(result.perf_val)


@both_selectors
def test_interrupted_after_every_single_run_it_still_comes_to_its_end(
    start, whole, runs, tmp_path, make_selector, cores
):
    for _ in range(sum(whole.done.values())):
        runs.left = 1
        try:
            start('out', make_selector(), cores=cores)
        except KeyboardInterrupt:
            continue
    runs.left, selector = None, make_selector()
    results = start('out', selector, cores=cores)
    assert runs.kinds() == whole.done
    assert_same(tmp_path / 'out', whole.folder)
    assert selector.heard == whole.heard
    assert str(results) == str(whole.results)


@both_selectors
def test_whatever_it_is_told_when_the_selector_raises_all_is_kept(
    start, whole, runs, tmp_path, make_selector
):
    for at in range(0, len(whole.heard), 1 + make_selector().adaptive):
        runs.forget()
        with pytest.raises(ZeroDivisionError):
            start(f'raised-{at}', make_selector(raises=ZeroDivisionError, at=at), cores=2)
        if at == len(whole.heard) - 1:
            assert str(load(tmp_path / f'raised-{at}')) == str(whole.results)
        selector = make_selector()
        start(f'raised-{at}', selector, cores=2)
        assert runs.kinds() == whole.done, f'raised at event {at}: {whole.heard[at]}'
        assert_same(tmp_path / f'raised-{at}', whole.folder)
        assert selector.heard == whole.heard


@pytest.mark.parametrize('make_selector', [SELECTORS['adaptive']], ids=['adaptive'])
def test_an_interrupt_in_a_listener_loses_nothing(start, whole, runs, tmp_path, make_selector):
    told = Listener()
    start('out', make_selector(), listeners=[told], cores=3)
    for at in range(0, told.calls, 4):
        runs.forget()
        with pytest.raises(KeyboardInterrupt):
            start(f'at-{at}', make_selector(), cores=3, listeners=[Listener(raises=KeyboardInterrupt, at=at)])
        start(f'at-{at}', make_selector())
        assert runs.kinds() == whole.done, f'interrupted at event {at}: {told.heard[at]}'
        assert_same(tmp_path / f'at-{at}', whole.folder)


class Disk:
    """Stands between the store and the disk, and kills the process before one of its steps.

    A step is what changes a name: a file that appears, or what is removed or moved.
    """

    def __init__(self, names, monkeypatch):
        self.steps, self.last = 0, None
        self._dead = False
        names.replace = self._step(names.replace)
        for name in ('write_bytes', 'move'):
            monkeypatch.setattr(AtomicWriter, name, self._alive(getattr(AtomicWriter, name)))
        monkeypatch.setattr(AtomicWriter, 'remove', self._step(AtomicWriter.remove))

    def kill_before(self, step):
        self.steps, self.last, self._dead = 0, step, False

    def _step(self, act):
        def step(*arguments):
            if self._dead or self.steps == self.last:
                self._dead = True
                raise Killed
            self.steps += 1
            return act(*arguments)

        return step

    def _alive(self, act):
        def alive(*arguments):
            if self._dead:
                raise Killed
            return act(*arguments)

        return alive


@pytest.mark.parametrize('make_selector', [lambda: Fixed([((4,), 1), ((8,), 2), ((3,), 1)])], ids=['fixed'])
def test_killed_before_any_file_appears_or_goes_it_is_as_if_it_never_was(
    start, whole, runs, tmp_path, make_selector, names, monkeypatch
):
    disk = Disk(names, monkeypatch)
    for at in itertools.count():
        runs.forget()
        disk.kill_before(at)
        name = f'killed-{at}'
        try:
            start(name, make_selector(), cores=2)
        except Killed:
            pass
        else:
            assert at > 40
            break
        disk.kill_before(None)
        start(name, make_selector(), cores=2)
        assert_same(tmp_path / name, whole.folder)
        repeated = runs.kinds() - whole.done
        assert len(repeated) <= 1, f'killed before step {at}: {repeated}'  # the one that was being written


def test_the_problem_itself_is_called_once_per_run_however_often_it_is_interrupted(
    write_problem, tmp_path, sweep_inline, monkeypatch
):
    problem, points = write_problem(), FixedSweep([((3,), 1), ((4,), 1)]).points_and_trials()
    results = sweep_inline(problem.path, FixedSweep(points), tmp_path / 'whole')
    calls = Counter(problem.calls)
    problem.path.with_suffix('.calls').unlink()
    runs = Runs()
    monkeypatch.setattr(inline, 'perform', runs.perform)
    for _ in range(sum(calls.values())):
        runs.left, runs._known = 1, {}
        try:
            again = sweep_inline(problem.path, FixedSweep(points), tmp_path / 'out')
        except KeyboardInterrupt:
            continue
    assert Counter(problem.calls) == calls
    assert_same(tmp_path / 'out', tmp_path / 'whole')
    assert str(again) == str(results)


# Failures


def test_a_failure_that_is_to_be_raised_stops_at_the_first_and_is_tried_again(start, runs, tmp_path):
    for _ in range(2):
        runs.forget()
        with pytest.raises(PointFailed, match=r'the point \(4\) failed: ValueError in tuning'):
            start('out', Fixed(POINTS), on_error='raise')
        assert ((4,), 'candidates 0 of round 0') in runs.done
        assert not [run for run in runs.done if run[0] == (8,)]
    runs.fail, before = set(), runs.kinds()
    start('out', Fixed(POINTS), on_error='raise')
    start('whole', Fixed(POINTS))
    assert_same(tmp_path / 'out', tmp_path / 'whole')
    assert before[(3,), 'lr_vs_perf 0'] == 0 and runs.kinds()[(3,), 'lr_vs_perf 0'] == 1


def test_a_failed_trial_that_is_to_be_raised_is_tried_again(start, runs, tmp_path):
    runs.fail = {((8,), 'trial 0')}
    for _ in range(2):
        runs.forget()
        with pytest.raises(PointFailed, match=r'the point \(8\) failed: ValueError in trial 0'):
            start('out', Fixed(POINTS), on_error='raise')
        assert runs.done[-1] == ((8,), 'trial 0')


def test_a_failure_that_is_recorded_is_not_tried_again_unless_asked(start, runs, tmp_path):
    first = start('out', Fixed(POINTS))
    assert [failure.params for failure in first.failures] == [(4,), (8,)]
    runs.fail = set()
    runs.forget()
    assert start('out', Fixed(POINTS)).failures == first.failures
    assert runs.done == []
    retried = start('out', Fixed(POINTS), retry_failed=True)
    again, runs.done = runs.kinds(), []
    assert retried.failures == []
    start('whole', Fixed(POINTS))
    assert again == Counter(run for run in runs.done if run[0] == (4,) or run == ((8,), 'trial 0'))
    assert_same(tmp_path / 'out', tmp_path / 'whole', looks=2)


def test_what_fails_again_is_recorded_again(start, runs, tmp_path):
    first = start('out', Fixed(POINTS))
    selector, listener = Fixed(POINTS), Listener()
    again = start('out', selector, retry_failed=True, listeners=[listener])
    assert again.failures == first.failures
    assert [event[1] for event in selector.heard if event[0] == 'failed'] == [(4,), (8,)]
    assert [event[1] for event in listener.heard if event[0] == 'failed'] == [(4,), (8,)]
    start('whole', Fixed(POINTS))
    assert_same(tmp_path / 'out', tmp_path / 'whole')


def test_one_listener_that_raises_is_dropped_and_the_sweep_goes_on(start, runs, tmp_path):
    good, bad = Listener(), Listener(raises=RuntimeError('the display is gone'), at=4)
    with pytest.warns(ListenerWarning, match='the display is gone'):
        results = start('out', Fixed(POINTS), listeners=[bad, good])
    assert (len(bad.heard), bad.calls) == (4, 5)
    assert good.heard[-1] == ('end',)
    check_told_once(good, results)
    start('whole', Fixed(POINTS))
    assert_same(tmp_path / 'out', tmp_path / 'whole')


@pytest.mark.parametrize('failing', ['lr_vs_perf 0', 'candidates 1 of round 0', 'candidates 1 of round 1'])
def test_what_is_left_of_a_point_that_cannot_be_tuned_does_not_depend_on_the_cores(
    start, runs, tmp_path, failing
):
    runs.fail = {((4,), failing)}
    for cores in (1, 3):
        start(f'on-{cores}', Fixed(POINTS), cores=cores, sweep_cores=3)
    assert_same(tmp_path / 'on-1', tmp_path / 'on-3')


# Something is different


def stages(runs):
    return {(point, name.split()[0]) for point, name in runs.done}


def fixed(*points):
    return FixedSweep([((width,), trials) for width, trials in points])


@pytest.fixture
def edited(tmp_path, write_problem, runs, sweep_inline):
    """A sweep that is finished; `edited(old, new)` edits its problem, `edited.again` starts it again."""
    problem = write_problem(ending='# the end\n')
    folder = tmp_path / 'out'
    results = sweep_inline(problem.path, fixed((3, 1)), folder)
    before = contents(folder)
    runs.forget()

    class Edited:
        def __call__(self, old, new):
            text = problem.path.read_text()
            assert old in text
            problem.path.write_text(text.replace(old, new))
            runs._known = {}

        def again(self, *points, **options):
            return sweep_inline(problem.path, fixed(*points or [(3, 1)]), folder, **options)

        def check_untouched(self):
            assert contents(folder) == before
            assert runs.done == []

    Edited.path, Edited.folder, Edited.results, Edited.contents = problem.path, folder, results, before
    return Edited()


CHANGE = ('torch.nn.ReLU()', 'torch.nn.Tanh()')


def test_a_changed_problem_is_an_error_that_says_what_can_be_done(edited):
    edited(*CHANGE)
    with pytest.raises(FolderError, match=f'the source of {edited.path.stem}') as caught:
        edited.again()
    for way in ("if_changed='accept:source'", "if_changed='restart'", 'another folder'):
        assert way in str(caught.value)
    edited.check_untouched()


@pytest.mark.parametrize(
    'change',
    [
        ('# the end\n', '# another comment\n'),
        ('# the end\n', '"""Text that stands alone."""\n'),
        ('# the end\n', 'from sweeper import FixedSweep\nselector = FixedSweep([((3,), 1)])\n'),
        ('# the end\n', 'def selector(trials=9):\n    return trials\n'),
        ('# the end\n', "if __name__ == '__main__':\n    print('swept')\n"),
        ('def dataset():\n', '\n\ndef dataset():\n    """Positive or not."""\n'),
    ],
    ids=['comment', 'text', 'selector', 'a function as selector', 'main block', 'docstring'],
)
def test_a_change_that_makes_no_difference_to_results_is_none(edited, change, runs):
    edited(*change)
    assert str(edited.again()) == str(edited.results)
    assert runs.done == []


def test_a_change_that_is_accepted_goes_on_and_is_remembered(edited, runs):
    edited(*CHANGE)
    results = edited.again((3, 2), if_changed='accept:source')
    assert runs.done == [((3,), 'trial 1')]
    assert results[0].loss_val[0] == edited.results[0].loss_val[0]
    assert str(edited.again((3, 2))) == str(results)
    edited(*reversed(CHANGE))
    with pytest.raises(FolderError, match='the source'):
        edited.again((3, 2))


def test_restarting_moves_what_is_there_aside_and_starts_anew(edited, runs, tmp_path, sweep_inline):
    edited(*CHANGE)
    edited.again(if_changed='restart')
    assert stages(runs) == {((3,), stage) for stage in ('lr_vs_perf', 'candidates', 'trial')}
    earlier = contents(edited.folder / 'earlier' / '0')
    assert {name: earlier[name] for name in edited.contents} == edited.contents
    assert str(load(edited.folder / 'earlier' / '0')) == str(edited.results)
    sweep_inline(edited.path, fixed((3, 1)), tmp_path / 'fresh')
    now = {name: one for name, one in contents(edited.folder).items() if not name.startswith('earlier')}
    assert now == contents(tmp_path / 'fresh')

    runs.forget()
    edited.again(if_changed='restart')  # nothing has changed since
    assert runs.done == []
    edited(*reversed(CHANGE))
    edited.again(if_changed='restart')
    assert sorted(path.name for path in (edited.folder / 'earlier').iterdir()) == ['0', '1']


@pytest.mark.parametrize('if_changed', ['stop', 'accept:source,versions'])
@pytest.mark.parametrize(
    ('options', 'named'),
    [({'hparams': 'fastest'}, 'preset'), ({'seed': 1}, 'seed'), ({'sweep_cores': 2}, 'sweep cores')],
    ids=['preset', 'seed', 'sweep_cores'],
)
def test_another_sweep_is_an_error_even_if_changes_are_accepted(edited, if_changed, options, named):
    with pytest.raises(FolderError, match='holds another sweep') as caught:
        edited.again(if_changed=if_changed, **options)
    assert named in str(caught.value) and "if_changed='restart'" in str(caught.value)
    edited.check_untouched()


def test_a_restart_that_is_killed_loses_nothing_and_can_be_made_again(
    edited, tmp_path, names, monkeypatch, sweep_inline
):
    sweep_inline(edited.path, fixed((3, 1)), tmp_path / 'fresh', seed=1)
    disk = Disk(names, monkeypatch)
    for at in range(5):
        folder = tmp_path / f'restarted-{at}'
        shutil.copytree(edited.folder, folder)
        disk.kill_before(at)
        with pytest.raises(Killed):
            sweep_inline(edited.path, fixed((3, 1)), folder, seed=1, if_changed='restart')
        disk.kill_before(None)
        sweep_inline(edited.path, fixed((3, 1)), folder, seed=1, if_changed='restart')
        earlier = [path.parent for path in (folder / 'earlier').glob('*/points')]
        assert [str(load(path)) for path in earlier] == [str(edited.results)], f'killed before step {at}'
        now = {name: one for name, one in contents(folder).items() if not name.startswith('earlier')}
        assert now == contents(tmp_path / 'fresh')


def test_another_sweep_may_take_its_place(edited, runs):
    edited.again(seed=1, if_changed='restart')
    assert stages(runs) == {((3,), stage) for stage in ('lr_vs_perf', 'candidates', 'trial')}
    assert str(load(edited.folder / 'earlier' / '0')) == str(edited.results)


# Damaged


def test_a_damaged_tuning_of_a_point_of_which_a_trial_failed_is_done_again(start, runs, tmp_path):
    start('out', Fixed(POINTS))
    before = contents(tmp_path / 'out')
    runs.forget()
    final = tmp_path / 'out' / 'points' / '3' / 'hparams' / 'final.json'
    final.write_text('{')
    with pytest.warns(DamagedFileWarning, match='final.json'):
        results = start('out', Fixed(POINTS))
    assert stages(runs) == {((8,), stage) for stage in ('lr_vs_perf', 'candidates')}
    assert [failure.error.phase for failure in results.failures if failure.params == (8,)] == ['trial 0']
    after = {name: one for name, one in contents(tmp_path / 'out').items() if not name.startswith('damaged')}
    assert after == before


# More of the same


def test_more_trials_are_just_run(edited, runs, tmp_path, sweep_inline):
    results = edited.again((3, 3))
    assert runs.done == [((3,), 'trial 1'), ((3,), 'trial 2')]
    assert results[0].loss_val[0] == edited.results[0].loss_val[0]
    sweep_inline(edited.path, fixed((3, 3)), tmp_path / 'fresh')
    assert_same(edited.folder, tmp_path / 'fresh', looks=2)


def test_more_points_are_just_run(edited, runs, tmp_path, sweep_inline):
    edited.again((3, 1), (4, 2))
    assert {point for point, _ in runs.done} == {(4,)}
    sweep_inline(edited.path, fixed((3, 1), (4, 2)), tmp_path / 'fresh')
    assert_same(edited.folder, tmp_path / 'fresh', looks=2)


def test_points_in_another_order_are_the_same_points(edited, runs):
    edited.again((3, 1), (4, 1))
    runs.forget()
    results = edited.again((5, 1), (4, 1), (3, 1))
    assert {point for point, _ in runs.done} == {(5,)}
    assert [result.params for result in results] == [(3,), (4,), (5,)]


def test_fewer_trials_return_those_that_are_there(edited, runs):
    more = edited.again((3, 3))
    runs.forget()
    selector = Fixed([((3,), 1)])
    assert str(edited.again((3, 1))) == str(more)
    assert runs.done == []
    assert selector.heard == []


def test_training_one_architecture_adds_trials_to_those_that_are_there(edited, runs, tiny):
    options = {'executor': 'inline', 'cores': 1, 'progress': 'none'}
    result = train(edited.path, (3,), edited.folder, tiny, trials=2, **options)
    assert runs.done == [((3,), 'trial 1'), ((3,), 'trial 2')]
    assert result.loss_val[0] == edited.results[0].loss_val[0] and len(result.loss_val) == 3


# Another selector


class Other(ParamSelector):
    """Proposes a list, and says that it adapts."""

    def __init__(self, *points):
        self._proposals = [((width,), trials) for width, trials in points]

    def has_more_trials(self):
        return bool(self._proposals)

    def get_next_trials(self):
        return self._proposals.pop(0)


DECISIONS = {
    'other points': ([(3, 1), (5, 1)], r'point \(4\) that is there, but \(5\)'),
    'another order': ([(4, 1), (3, 1)], r'point \(3\) that is there, but \(4\)'),
}
other_decisions = pytest.mark.parametrize(('points', 'message'), DECISIONS.values(), ids=DECISIONS)


@pytest.fixture
def two_points(edited, runs):
    edited.again((3, 1), (4, 1))
    runs.forget()
    return edited


@pytest.fixture
def searched(write_problem, tmp_path, runs, sweep_inline):
    """A folder that a selector which adapts has made: of (3) and (4)."""
    problem, folder = write_problem().path, tmp_path / 'searched'

    def again(selector, **options):
        return sweep_inline(problem, selector, folder, **options)

    again(Other((3, 1), (4, 1)))
    runs.forget()
    return SimpleNamespace(again=again, folder=folder)


@other_decisions
def test_another_decision_of_an_adaptive_selector_is_an_error_before_anything_is_trained(
    searched, runs, points, message
):
    before = contents(searched.folder)
    with pytest.raises(FolderError, match=message) as caught:
        searched.again(Other(*points))
    assert "if_changed='accept:selector'" in str(caught.value)
    assert runs.done == []
    assert contents(searched.folder) == before


@other_decisions
def test_another_decision_that_is_accepted_goes_on(searched, runs, points, message):
    with pytest.raises(FolderError, match=message):
        searched.again(Other(*points), if_changed='accept:source,versions,device,step')
    results = searched.again(Other(*points), if_changed='accept:selector')
    wanted = {as_point([width]) for width, _ in points}
    assert {result.params for result in results} == wanted | {(3,), (4,)}
    assert {point for point, _ in runs.done} == wanted - {(3,), (4,)}


@other_decisions
def test_another_decision_cannot_start_anew_where_it_was_asked_already(searched, runs, points, message):
    with pytest.raises(FolderError, match=message):
        searched.again(Other(*points), if_changed='restart')
    assert runs.done == []


def test_an_adaptive_selector_that_has_no_more_proposals_where_the_folder_has_is_an_error(searched, runs):
    with pytest.raises(FolderError, match=r'does not propose the point \(4\)'):
        searched.again(Other((3, 1)))
    assert runs.done == []


def test_an_adaptive_selector_may_propose_more_when_all_that_is_there_was_proposed(searched, runs):
    results = searched.again(Other((3, 1), (4, 2), (5, 0)))
    assert [result.params for result in results] == [(3,), (4,), (5,)]
    assert {point for point, _ in runs.done} == {(4,), (5,)}


@pytest.mark.parametrize('points', [[(3, 1)], [(5, 1)], [(5, 1), (3, 2)]], ids=repr)
@pytest.mark.parametrize('make', [fixed, Other], ids=['fixed', 'adaptive'])
def test_points_that_another_selector_added_are_kept_and_compared(
    two_points, runs, sweep_inline, make, points
):
    before = {result.params: str(result) for result in load(two_points.folder)}
    results = sweep_inline(two_points.path, make(*points), two_points.folder)
    wanted = {as_point([width]): trials for width, trials in points}
    assert {result.params for result in results} == {*wanted, (3,), (4,)}
    assert results.others == [point for point in [(3,), (4,)] if point not in wanted]
    assert all(str(result) == before[result.params] for result in results if result.params in results.others)
    assert not {point for point, _ in runs.done} & {*results.others}
    assert str(load(two_points.folder)) == str(results)


def test_a_search_and_single_points_take_turns(searched, runs):
    """What others add in between is no decision of a selector that adapts; what it proposed still counts."""
    searched.again(fixed((9, 1), (5, 1)))
    more = searched.again(Other((3, 1), (4, 1), (5, 1), (6, 1)))
    assert [result.params for result in more] == [(3,), (4,), (9,), (5,), (6,)]
    assert more.others == [(9,)]
    searched.again(fixed((8, 1)))
    runs.forget()
    again = searched.again(Other((3, 1), (4, 1), (5, 1), (6, 1)))
    assert runs.done == [] and again.others == [(9,), (8,)]
    for wrong in ([3, 4, 5, 7], [3, 5, 6], [9, 8, 4]):
        with pytest.raises(FolderError, match='does not propose the point'):
            searched.again(Other(*((width, 1) for width in wrong)))
    assert runs.done == []


def test_in_a_folder_of_an_earlier_version_whatever_is_there_was_a_decision(two_points, runs, sweep_inline):
    """Which selector made it is not recorded there."""
    for path in (two_points.folder / 'sweep.json', two_points.folder / 'copies' / 'sweep.json'):
        told = json.loads(path.read_text())
        told.pop('checksum', None)  # there was none in those days
        path.write_text(json.dumps(told | {'origin': {'command': told['origin'][0]['command']}}))
    with pytest.raises(FolderError, match=r'does not propose the point \(4\)'):
        sweep_inline(two_points.path, Other((3, 1), (5, 1)), two_points.folder)
    sweep_inline(two_points.path, Other((3, 1), (4, 1), (5, 1)), two_points.folder)
    assert {point for point, _ in runs.done} == {(5,)}


def test_every_command_that_added_something_is_on_record_and_no_other(
    edited, runs, sweep_inline, monkeypatch
):
    def run(command, *points):
        monkeypatch.setattr('sys.argv', command.split())
        sweep_inline(edited.path, fixed(*points), edited.folder)

    begun = json.loads((edited.folder / 'sweep.json').read_text())['origin'][0]['command']
    for command, *points in (
        ('first', (3, 1), (4, 1)), ('idle', (3, 1)), ('first', (3, 1), (4, 1), (5, 1)),
        ('trials', (3, 2)), ('idle', (4, 1)), ('last', (6, 1)),
    ):  # fmt: skip
        run(command, *points)
    told = json.loads((edited.folder / 'sweep.json').read_text())['origin']
    assert [(one['command'], one['first_point']) for one in told] == [
        (begun, 0), ('first', 1), ('trials', 3), ('last', 3),
    ]  # fmt: skip
    assert {one['selector'] for one in told} == {'FixedSweep'}


@pytest.mark.parametrize('first', ['named', 'tuples'])
def test_points_are_named_or_tuples_as_those_in_the_folder_are(write_problem, tmp_path, sweep_inline, first):
    """So what a module's selector proposes as tuples and what is proposed by name can be compared."""
    written = write_problem()
    problem = written.path
    named = [({'width': 3, 'depth': 1}, 1), ({'depth': 1, 'width': 4}, 1)]
    tuples = [((3, 1), 1), ((5,), 1)]
    one, other = (named, tuples) if first == 'named' else (tuples, named)
    sweep_inline(problem, FixedSweep(one), tmp_path / 'out')
    trained = len(written.calls)
    results = sweep_inline(problem, FixedSweep(other), tmp_path / 'out')
    (new,) = {'3', '4', '5'} - {*written.calls[:trained]}
    assert {*written.calls[trained:]} == {new} and len(results) == 3
    assert {isinstance(result.params, tuple) for result in results} == {first == 'tuples'}


def test_a_point_that_cannot_be_is_an_error_that_leaves_the_folder_as_it_was(two_points, sweep_inline, runs):
    before = contents(two_points.folder)
    with pytest.raises(InvalidPoint):
        sweep_inline(two_points.path, FixedSweep([((3,), 1), ((4,), 1), ((1, 2, 3), 1)]), two_points.folder)
    assert contents(two_points.folder) == before and runs.done == []


@pytest.mark.parametrize('equal', [True, 1.0], ids=repr)
def test_points_that_are_equal_to_python_alone_are_one_and_that_is_said(edited, runs, sweep_inline, equal):
    with warnings.catch_warnings():
        warnings.simplefilter('error', EqualPointsWarning)
        edited.again((3, 1), (1, 1))
    for _ in range(2):  # in one list, and on resuming
        with pytest.warns(EqualPointsWarning) as warned:
            results = edited.again((3, 1), (equal, 1), (2, 1), (2, 1))
        (told,) = (str(one.message) for one in warned if one.category is EqualPointsWarning)
        assert f'the point ({json.dumps(equal)}) is equal to (1) for Python' in told
    assert len(results) == 3
    with pytest.warns(EqualPointsWarning, match=r'\(5\.0\) is equal to \(5\)'):
        edited.again((5, 1), (5.0, 1))


def test_a_random_sweep_from_before_floats_were_rounded_goes_on_with_its_own_points(
    write_problem, tmp_path, sweep_inline
):
    problem = write_problem(
        model='def model(p):\n    return torch.nn.Sequential(torch.nn.Dropout(p), torch.nn.Linear(4, 2))\n'
    )
    before = [(0.6229016948897019,), (0.7417869892607294,), (0.7951935655656966,)]  # as version 0.1 drew them
    sweep_inline(problem.path, FixedSweep.with_fixed_trials(before[:2], 1), tmp_path / 'out')
    again = FixedSweep.with_random_trials([(0.0, 1.0)], 3, 1, seed=5)
    results = sweep_inline(problem.path, again, tmp_path / 'out')
    assert [params for params, *_ in results] == before and not results.others
    fresh = sweep_inline(problem.path, again, tmp_path / 'other')
    assert [params for params, *_ in fresh] == [(0.623,), (0.742,), (0.795,)]


# The caller's process


def test_the_callers_random_numbers_are_left_alone(write_problem, tmp_path, sweep_inline):
    import torch

    noisy = """
import random
import numpy

torch.rand(3), numpy.random.rand(3), random.random()
torch.manual_seed(9), numpy.random.seed(9), random.seed(9)
"""
    problem = write_problem(ending=noisy)

    def states():
        numpy_state = np.random.get_state()
        return torch.get_rng_state().tolist(), numpy_state[1].tolist(), numpy_state[2:], random.getstate()

    before = states()
    for _ in range(2):
        sweep_inline(problem.path, fixed((3, 1)), tmp_path / 'out')
        assert states() == before
    with pytest.raises(FolderError):
        sweep_inline(problem.path, fixed((4, 1)), tmp_path / 'out', seed=1)
    assert states() == before


def test_warnings_of_failed_points_are_given_at_every_start(start):
    for _ in range(2):
        with pytest.warns(PointFailedWarning) as warned:
            start('out', Fixed(POINTS))
        assert len(warned) == 2
