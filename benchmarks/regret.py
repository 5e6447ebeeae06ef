"""What `tuner_regret.py` measures: problems, what can be reached on them, and what a tuner's pick reaches.

What trains is a generator, a *job*: it yields lists of tasks, is sent their values, and returns what it
found. `side_by_side` runs many of them on one executor.
"""

import hashlib
import importlib.metadata
import itertools
import json
import os
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
from scipy import stats

from sweeper import get_settings
from sweeper.errors import TuningFailed
from sweeper.executors.base import Task
from sweeper.executors.local.executor import LocalExecutor
from sweeper.metric import MetricInfo
from sweeper.points import point_key
from sweeper.problem.problem import load_problem
from sweeper.problem.reference import ProblemReference, find_problem, load_module
from sweeper.seeding import run_seed
from sweeper.tuning.start import start_tuning
from sweeper.work import WorkerSpec

FOLDER = Path(__file__).with_name('regret_problems')
RANKED = 'architectures'
PROBLEMS = [file.stem for file in sorted(FOLDER.glob('[a-z]*.py')) if file.stem != RANKED]
ADDED = (
    'cancer_auc', 'clouds_sets', 'diabetes_tanh', 'digits_dropout', 'digits_few', 'series_ahead',
    'sums_attention', 'text_next', 'waves_conv', 'waves_gru', 'wine_labels',
)  # fmt: skip
SIX = 'clouds_sets', 'diabetes_tanh', 'sums_attention', 'waves_conv', 'waves_gru', 'wine_labels'
GROUPS = {
    'all': PROBLEMS,
    'the first': [name for name in PROBLEMS if name not in ADDED],
    'added later': ADDED,
    'six of these': SIX,
}
LRS, LR_POINTS = (1e-4, 10.0), 13
BATCH_SIZES = (8, 16, 32, 64, 128)
GRID_SEEDS, FRESH_CELLS, FRESH_SEEDS, TRIALS = 3, 5, 6, 3
SEED_OF_ORACLE = 1_000_003  # far from any sweep's


@dataclass(frozen=True)
class Case:
    """A problem of the suite.

    Attributes:
        name: Its module's, in `regret_problems`.
        reference: Says where that is.
        source: A digest of its source.
        train_size: Samples in its training set.
        val_size: Samples in its validation set.
        trial_samples: `TRIAL_SAMPLES` of the module.
        lrs: Lowest and highest learning rate that make sense; `LRS` of the module, if it has one.
        objective: What is known of the metric.
        points: The architectures; one, without parameters, unless the module has `POINTS`.
    """

    name: str
    reference: ProblemReference
    source: str
    train_size: int
    val_size: int
    trial_samples: int
    lrs: tuple[float, float]
    objective: MetricInfo
    points: tuple

    def settings(self, preset):
        return get_settings(preset).replace(trial_samples=self.trial_samples)

    def grid(self):
        """The learning rates and batch sizes of the oracle."""
        return np.geomspace(*self.lrs, LR_POINTS).tolist(), self.batch_sizes()

    def batch_sizes(self):
        return [size for size in BATCH_SIZES if size <= self.train_size // 4]

    @property
    def epochs(self):
        """Of the longest trial."""
        return self.settings('fast').trial_epochs(self.train_size)

    def plan(self, lr, batch_size, epochs=None):
        """A trial whose learning rate rises to `lr` from a tenth of it; by default as long as may be."""
        return {
            'lr_min': lr / 10, 'lr_max': lr, 'batch_size': batch_size,
            'epochs': self.epochs if epochs is None else epochs, 'cycle_size_epochs': self.cycle_epochs,
        }  # fmt: skip

    @property
    def cycle_epochs(self):
        return self.settings('fast').cycle_epochs

    @property
    def cycles(self):
        """How many cycles the longest trial has."""
        return round(self.epochs / self.cycle_epochs)

    def samples_of_trial(self):
        return self.train_size * self.epochs


def load_case(name):
    file = FOLDER / f'{name}.py'
    reference = find_problem(file)
    module = load_module(reference)
    train, val = module.dataset()[:2]
    source = hashlib.sha256(file.read_bytes() + (FOLDER / '_data.py').read_bytes()).hexdigest()[:16]
    return Case(
        name, reference, source, len(train), len(val), module.TRIAL_SAMPLES,
        getattr(module, 'LRS', LRS), load_problem(reference).objective, getattr(module, 'POINTS', ((),)),
    )  # fmt: skip


@contextmanager
def local_executor(case, cores=2):
    executor = LocalExecutor(cores)
    executor.start(WorkerSpec(case.reference, 0, 'cpu'))
    try:
        yield executor
    finally:
        executor.close()


def side_by_side(executor, jobs):
    """Runs all jobs to their ends; a job's tasks wait in line behind those that were asked for before."""
    jobs = list(jobs)
    results = [None] * len(jobs)
    values, missing, owners, keys = {}, {}, {}, itertools.count()

    def go_on(index, answers):
        tasks = []
        while not tasks:
            try:
                tasks = jobs[index].send(answers)
            except StopIteration as end:
                results[index] = end.value
                return
            answers = []
        values[index], missing[index] = [None] * len(tasks), len(tasks)
        for position, task in enumerate(tasks):
            key = next(keys)
            owners[key] = index, position
            executor.submit(key, task)

    for index in range(len(jobs)):
        go_on(index, None)
    while owners:
        for key, outcome in executor.wait():
            index, position = owners.pop(key)
            if outcome.error is not None:
                raise RuntimeError(f'{outcome.error.message}\n{outcome.error.traceback}')
            values[index][position] = outcome.value
            missing[index] -= 1
            if not missing[index]:
                go_on(index, values[index])
    return results


def trials(point, plan, seeds):
    """A task: a trial per seed, in lanes where that can be."""
    return Task('trials', 'in_lanes', point, {'seeds': seeds, 'function': 'train_trial', **plan})


def performances(records):
    """Final performances on training and validation data, shape (trials, 2)."""
    return np.array([(record.result.perf_train, record.result.perf_val) for record in records])


def curves(records, cycles):
    """Performances at the ends of cycles, shape (trials, cycles, 2); 0 from where a trial diverged."""
    found = np.zeros((len(records), cycles, 2))
    for record, curve in zip(records, found, strict=True):
        for split, name in enumerate(('perf_train', 'perf_val')):
            values = record.throughtime[name]
            curve[: len(values), split] = values
        if record.result.diverged:
            curve[-1] = 0
    return found


def find_oracle(case, point):
    """A job: the best of a grid of learning rates and batch sizes, on validation data at any length.

    A shorter training is the beginning of a longer one, up to the end of a cycle. The best cells on training
    data, the best on validation data, and the best cells and lengths on validation data are trained again
    with other seeds, so that what is told of them is not the luck for which they were chosen.
    """
    lrs, sizes = case.grid()
    cells = [(lr, size) for size in sizes for lr in lrs]
    seeds = [run_seed(SEED_OF_ORACLE, 'grid', i) for i in range(GRID_SEEDS)]
    records = yield [trials(point, case.plan(*cell), seeds) for cell in cells]
    grid = np.array([curves(one, case.cycles) for one in records])  # cells x seeds x cycles x (train, val)
    train, val = np.moveaxis(grid.mean(1), -1, 0)
    last = case.cycles - 1
    best = {
        'train': [(cell, last) for cell in _first(train[:, last])],
        'val': [(cell, int(val[cell].argmax())) for cell in _first(val.max(1))]
        + [(cell, last) for cell in _first(val[:, last])],
    }
    again = sorted({cell for pairs in best.values() for cell, _ in pairs})
    seeds = [run_seed(SEED_OF_ORACLE, 'fresh', i) for i in range(FRESH_SEEDS)]
    parts = [seeds[i : i + GRID_SEEDS] for i in range(0, FRESH_SEEDS, GRID_SEEDS)]
    records = yield [trials(point, case.plan(*cells[cell]), part) for cell in again for part in parts]
    rows = iter(np.concatenate([curves(one, case.cycles) for one in records]))
    fresh = {cell: np.array([next(rows) for _ in seeds]) for cell in again}
    found = {}
    for split, name in enumerate(best):
        values = {(cell, end): fresh[cell][:, end, split] for cell, end in best[name]}
        winner = max(values, key=lambda pair: values[pair].mean())
        (lr, size), cycles = cells[winner[0]], winner[1] + 1
        half = stats.t.ppf(0.975, FRESH_SEEDS - 1) * values[winner].std(ddof=1) / FRESH_SEEDS**0.5
        found[name] = {
            'perf': round(float(values[winner].mean()), 5), 'plus_minus': round(float(half), 5),
            'lr': lr, 'batch_size': size, 'epochs': case.cycle_epochs * cycles,
        }  # fmt: skip
    final = grid[:, :, -1]
    rows = np.column_stack([final.mean(1), final.std(1, ddof=1)])[:, [0, 2, 1, 3]].round(5).tolist()
    found['cells'] = [[float(f'{lr:.4g}'), size, *row] for (lr, size), row in zip(cells, rows, strict=True)]
    return found


def _first(scores):
    """The cells of the best scores, best first."""
    return np.argsort(-scores, kind='stable')[:FRESH_CELLS].tolist()


class Oracles:
    """What `find_oracle` found, kept in a file: a line per architecture.

    An entry says what it was found for; one that does not fit any more is found anew. Its cells are rows of
    learning rate, batch size, mean and standard deviation on training data, and both on validation data.
    """

    def __init__(self, file):
        self._file = Path(file)
        self._entries = json.loads(self._file.read_text()) if self._file.exists() else {}

    def missing(self, case):
        """The architectures of which nothing is known."""
        return [point for point in case.points if self._found(case, point) is None]

    def __getitem__(self, key):
        return self._found(*key)

    def _found(self, case, point):
        entry = self._entries.get(f'{case.name} {point_key(point)}')
        if entry is None or entry['settings'] != _told(case) or 'epochs' not in entry['found']['val']:
            return None
        return entry['found']

    def add(self, case, point, found, seconds):
        self._entries[f'{case.name} {point_key(point)}'] = {
            'settings': _told(case), 'date': date.today().isoformat(), 'seconds': round(seconds, 1),
            'torch': importlib.metadata.version('torch'), 'found': found,
        }  # fmt: skip
        lines = (f'{json.dumps(key)}: {json.dumps(entry)}' for key, entry in sorted(self._entries.items()))
        new = self._file.with_suffix('.new')
        new.write_text('{\n' + ',\n'.join(lines) + '\n}\n')
        os.replace(new, self._file)


def _told(case):
    lrs, sizes = case.grid()
    plan = case.plan(1.0, 8)
    return {
        'source': case.source, 'lrs': [float(f'{lr:.4g}') for lr in lrs], 'batch_sizes': sizes,
        'seeds': [GRID_SEEDS, FRESH_CELLS, FRESH_SEEDS], 'train_size': case.train_size,
        'trial_samples': case.trial_samples, 'epochs': plan['epochs'],
        'cycle_epochs': plan['cycle_size_epochs'],
    }  # fmt: skip


@dataclass(frozen=True)
class Pick:
    """What a way of choosing a learning rate, a batch size and a length came to, for one seed.

    Attributes:
        lr: The highest learning rate; None if nothing was found.
        batch_size: The same.
        epochs: Of the trials.
        train: Mean performance of fresh trials on training data.
        val: On validation data.
        cost: Samples that the choice took to train, as multiples of a trial's.
        flags: What a sweep would flag.
    """

    lr: float | None
    batch_size: int | None
    epochs: float | None
    train: float
    val: float
    cost: float = 0.0
    flags: list[str] = field(default_factory=list)

    as_dict = asdict


def try_plan(case, point, seed, plan, cost=0.0, flags=(), tuned=None):
    """A job: trials of a plan, with the seeds that a sweep's trials have."""
    seeds = [run_seed(seed, 'trial', i) for i in range(TRIALS)]
    (records,) = yield [trials(point, plan, seeds)]
    train, val = performances(records).mean(0).tolist()
    if tuned:
        flags = tuned.flags_with({index: record.result for index, record in enumerate(records)})
    chosen = plan['lr_max'], plan['batch_size'], plan['epochs']
    return Pick(*chosen, train, val, cost / case.samples_of_trial(), list(flags))


def tuned_pick(case, point, seed, preset):
    """A job: what the tuner picks. A tuning that fails counts as a performance of 0, with a flag."""
    tuner = start_tuning(case.settings(preset), case.train_size, seed, objective=case.objective)
    samples, values = 0, None
    while True:
        try:
            stage = tuner.send(values)
        except StopIteration as end:
            tuned = end.value
            return (yield from try_plan(case, point, seed, tuned.plan(), samples, tuned=tuned))
        except TuningFailed:
            return Pick(None, None, None, 0.0, 0.0, samples / case.samples_of_trial(), ['failed'])
        samples += sum(_samples(run.arguments) for run in stage.runs)
        values = yield [Task(stage.name, run.function, point, run.arguments) for run in stage.runs]


def _samples(arguments: Mapping):
    if 'batch_sizes' in arguments:
        return int(np.sum(arguments['batch_sizes']))
    return arguments['steps'] * arguments['batch_size']


def fixed_pick(case, point, seed, lr, batch_size=64):
    """A job: a learning rate that someone is used to."""
    return (yield from try_plan(case, point, seed, case.plan(lr, min(batch_size, case.train_size // 4))))


def oracle_pick(case, point, seed, oracles):
    """A job: the oracle's choice, whose regret is what noise leaves."""
    best = oracles[case, point]['val']
    plan = case.plan(best['lr'], best['batch_size'], best['epochs'])
    return (yield from try_plan(case, point, seed, plan))
