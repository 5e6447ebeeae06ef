"""Trials that are trained in part, and go on where they ended: the base of successive halving."""

import numpy as np
import pytest

from sweeper import (
    DONE,
    WAIT,
    DamagedFileWarning,
    FixedHyperparameters,
    FixedSweep,
    InlineExecutor,
    InvalidPoint,
    LocalExecutor,
    Proposal,
    Selector,
    events,
    load,
    sweep,
)  # fmt: skip
from sweeper.store.store import Store
from sweeper.training import loop
from tests.crash.compare import contents

FIXED = FixedHyperparameters(lr=0.5, batch_size=8, epochs=8, cycle_epochs=1)


class Halving(Selector):
    """Trains all in part, and the better half of them further."""

    def __init__(self, widths, trials=2, fractions=(0.25, 0.5, 1.0)):
        self.left, self.trials, self.fractions = [(width,) for width in widths], trials, list(fractions)
        self.open, self.scores, self.heard = [], {}, []
        self.begin_round()

    def begin_round(self):
        self.ahead = [Proposal(point, self.trials, self.fractions[0]) for point in self.left]
        self.open, self.scores = [proposal.point for proposal in self.ahead], {}

    def ask(self):
        if self.ahead:
            return self.ahead.pop(0)
        return WAIT if self.fractions else DONE

    def tell(self, event):
        if isinstance(event, events.TrialsDone):
            values = [trial.perf_val for trial in event.trials.values()]
            epochs = {trial.epochs for trial in event.trials.values()}
            self.heard.append((event.point, event.fraction, [*event.trials], *epochs, values))
            assert event.fraction == self.fractions[0]
            self.scores[event.point] = np.mean(values)
        elif isinstance(event, events.PointFailed):
            self.scores[event.point] = None
        if self.fractions and len(self.scores) == len(self.open):
            self.fractions.pop(0)
            trained = {point: score for point, score in self.scores.items() if score is not None}
            self.left = sorted(trained, key=trained.get)[len(trained) // 2 :]
            if self.fractions and self.left:
                self.begin_round()
            else:
                self.fractions = []


@pytest.fixture
def steps(monkeypatch):
    taken = []
    advance = loop.Loop._advance

    def counted(self, batches):
        taken.extend(batches)
        return advance(self, batches)

    monkeypatch.setattr(loop.Loop, '_advance', counted)
    return taken


def executor(kind='inline'):
    return InlineExecutor(2) if kind == 'inline' else LocalExecutor(2)


@pytest.fixture
def halve(write_problem, tmp_path):
    path = write_problem().path

    def run(name='out', kind='inline', selector=None, **options):
        selector = selector or Halving([2, 4, 8, 16])
        options = {'executor': executor(kind), 'step': 'eager', 'progress': 'none', **options}
        return selector, sweep(path, selector, 1, FIXED, tmp_path / name, **options)

    return run


@pytest.mark.parametrize('step', ['eager', 'captured', 'lanes'])
def test_those_that_remain_end_as_if_they_had_been_trained_in_one_go(step, halve, tmp_path):
    selector, results = halve(step=step)
    survivors = [result.params for result in results if len(result.perf_val)]
    assert len(survivors) == 1
    assert [(fraction, epochs) for _, fraction, _, epochs, _ in selector.heard] == (
        [(0.25, 2)] * 4 + [(0.5, 4)] * 2 + [(1.0, 8)]
    )
    _, whole = halve('whole', step=step, selector=FixedSweep.with_fixed_trials(survivors, 2))
    ours, theirs = (made.ids[survivors[0]] for made in (results, whole))
    assert contents(tmp_path / f'out/points/{ours}/trials') == contents(
        tmp_path / f'whole/points/{theirs}/trials'
    )
    assert not (tmp_path / f'out/points/{ours}/checkpoints').exists()


def test_no_step_is_taken_twice(halve, steps):
    halve()
    trials, per_epoch = 2, 8
    assert len(steps) == trials * per_epoch * (4 * 2 + 2 * 2 + 1 * 4) + 4  # the first steps, for costs
    steps.clear()
    halve()  # all is there
    assert len(steps) == 0


def test_the_selector_is_told_the_same_everywhere_and_when_all_is_on_disk(halve, tmp_path):
    first, results = halve()
    assert halve()[0].heard == first.heard
    assert halve('elsewhere', 'local')[0].heard == first.heard
    assert contents(tmp_path / 'out') == contents(tmp_path / 'elsewhere')
    assert str(load(tmp_path / 'out')) == str(results)


def test_without_states_a_trial_starts_afresh_and_ends_the_same(halve, tmp_path):
    selector, _ = halve(executor=InlineExecutor(1, checkpoint_seconds=None))
    assert selector.heard == halve('elsewhere')[0].heard


def test_it_goes_on_wherever_it_is_interrupted(halve, tmp_path, monkeypatch):
    expected, _ = halve('whole')
    write, count = Store.write_part, iter(range(100))

    def interrupted(*args):
        write(*args)
        if next(count) in (0, 3, 7, 9):
            raise KeyboardInterrupt

    monkeypatch.setattr(Store, 'write_part', interrupted)
    for _ in range(4):
        with pytest.raises(KeyboardInterrupt):
            halve()
    assert halve()[0].heard == expected.heard
    assert contents(tmp_path / 'out') == contents(tmp_path / 'whole')


def test_a_damaged_part_is_trained_again(halve, tmp_path):
    expected, _ = halve()
    path = tmp_path / 'out/points/0/parts/0.25/1.json'
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.warns(DamagedFileWarning, match='1.json'):
        assert halve()[0].heard == expected.heard
    assert path.exists()


@pytest.mark.parametrize('fraction', [0, -0.5, 1.5, float('nan'), '1', True])
def test_a_fraction_that_cannot_be_is_an_error(fraction):
    with pytest.raises(InvalidPoint, match=r'must be above 0, and 1.0 at most'):
        Proposal((4,), 1, fraction)


def test_one_that_fails_in_part_is_a_failed_point(write_problem, tmp_path, sweep_inline):
    path = write_problem(ending='def step(model, batch):\n    raise ValueError("no")').path
    selector = Halving([2, 4])
    results = sweep_inline(path, selector, tmp_path / 'out', hparams=FIXED)
    assert {failure.params for failure in results.failures} == {(2,), (4,)}
