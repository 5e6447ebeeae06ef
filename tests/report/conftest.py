"""A sweep's folder as it would be written, without any training."""

import math
import os
from dataclasses import replace

import numpy as np
import pytest

from sweeper.metric import PREDEFINED, MetricInfo
from sweeper.points import NamedPoint
from sweeper.report.findings import Findings
from sweeper.results import PointError, TrialRecord, TrialResult, Tuned
from sweeper.store.manifest import Manifest
from sweeper.store.origin import Origin
from sweeper.store.store import Store

REPORT = {'why': 'it is best', 'budget': {'trials': 0.5}}


DECLARED = {
    'width': {'role': 'scientific', 'default': '8', 'places': ['layers.py:18']},
    'momentum': {'role': 'nuisance', 'default': '0.0', 'places': ['cnn.py:30', 'layers.py:7', 'layers.py:9']},
    'unused': {'role': 'fixed', 'default': None, 'places': ['cnn.py:2']},
}


def tuned(lr=0.1, batch_size=16, diverges=False, nuisance=None, flags=(), cost=None, perf=0.5, **report):
    loss = np.array([2.0, 2.0, 1.5, 1.0, np.inf if diverges else 0.8])
    lrs = np.array([1e-6, 1e-5, 1e-4, 1e-3, 1e-2])
    candidates = {'round': [0, 0], 'lr': [0.1, 0.2], 'batch_size': [16, 16], 'steps': [5, 5], 'loss': [1, 2]}
    for name, value in (nuisance or {}).items():
        candidates[f'nuisance_{name}'] = [value, 0.5]
    curves = {
        'lr_vs_perf': {'lrs': lrs, 'loss': loss, 'perf': 1 / (1 + loss), 'losses': loss[None]},
        'candidates': {name: np.array(column) for name, column in {**candidates, 'perf': [0.5, 0.4]}.items()},
    }  # fmt: skip
    return Tuned(
        lr / 10, lr, batch_size, 5, 10, nuisance or {}, tuple(flags), cost, perf,
        report={**REPORT, **report}, curves=curves,
    )  # fmt: skip


def trial(perf, seconds=2.0, epochs=(5, 10), test=None, diverged=False):
    result = TrialResult(0, 10, seconds, diverged, perf, 1 - perf, perf, 1 - perf, test, test and 1 - test)
    rising = np.linspace(perf / 2, perf, len(epochs))
    through = {'perf_val': rising, 'perf_train': rising, 'loss_val': 1 - rising, 'loss_train': 1 - rising}
    return TrialRecord(result, b'', b'', {'epochs': np.array(epochs), **through})


@pytest.fixture
def write_sweep(tmp_path, monkeypatch):
    """Returns a function that writes points with their perfs, and gives what there is to find.

    `nuisance` has the values that were tuned, by point, `lengths` the epochs of the points' trials;
    `declared` is for the manifest.
    """

    monkeypatch.setattr(os, 'fsync', lambda file: None)  # a thousand points are many files

    def write(points, failures=(), nuisance=None, declared=None, lengths=(), **misc):
        manifest = Manifest('digits', 'fastest', {}, 4, 0, 100, declared=declared or {})
        with Store.opened(tmp_path / 'sweep', manifest, ['hidden', 'nonlinearity']) as store:
            store.add_points([*points, *failures])
            for place, (point, perfs) in enumerate(points.items()):
                chosen = tuned(nuisance=(nuisance or {}).get(point), **misc)
                chosen = replace(chosen, epochs=lengths[place]) if lengths else chosen
                store.write_tuned(point, chosen)
                for index, perf in enumerate(perfs):
                    record = perf if isinstance(perf, TrialRecord) else trial(perf)
                    store.write_trial(point, index, record)
            for point in failures:
                error = PointError('ValueError', 'no such width', 'tuning', 'Traceback: <b>here</b>')
                store.write_errors(point, [error])
        with Store.opened(tmp_path / 'sweep') as store:
            store.collate()
        return Findings.read(tmp_path / 'sweep')

    return write


@pytest.fixture
def grid(write_sweep):
    """Two parameters in full; the wider the better, and relu a little."""
    shift = {'relu': 0.02, 'tanh': 0.0}
    points = {
        (hidden, kind): [
            0.8 + hidden / 1000 + shift[kind] + (trial * hidden + len(kind)) % 5 / 5000 for trial in range(3)
        ]
        for hidden in (16, 32, 64)
        for kind in ('relu', 'tanh')
    }
    return write_sweep(points)


@pytest.fixture
def declared(write_sweep):
    """Two widths, with what momentum was tuned to; both are declared in code, `depth` is an argument."""
    wide, narrow = (NamedPoint(width=width, depth=1) for width in (8, 4))
    points = {wide: [0.9, 0.91, 0.9], narrow: [0.5, 0.51, 0.5]}
    nuisance = {wide: {'momentum': 0.9}, narrow: {'momentum': 0.0}}
    return write_sweep(points, nuisance=nuisance, declared=DECLARED)


@pytest.fixture
def made_by(tmp_path, monkeypatch):
    """Returns a function that writes a folder by commands, each with its points, and gives what there is."""
    monkeypatch.setattr(os, 'fsync', lambda file: None)

    def write(*added):
        for command, points in added:
            origin = (Origin(command, selector='FixedSweep'),)
            manifest = Manifest('digits', 'fastest', {}, 4, 0, 100, origin=origin)
            with Store.opened(tmp_path / 'sweep', manifest, ['n', 'kind']) as store:
                store.add_points(points)
                for point in points:
                    store.write_tuned(point, tuned())
                    store.write_trial(point, 0, trial(0.5 + point[0] / 100))
            with Store.opened(tmp_path / 'sweep') as store:
                store.collate()
        return Findings.read(tmp_path / 'sweep')

    return write


LOWER = MetricInfo('cost', higher=False)
METRICS = (LOWER, PREDEFINED['auc'])


KINDS = ('perf', 'loss', 'auc')
CURVES = {f'{kind}_{split}': np.array([2.0, 1.0]) for kind in KINDS for split in ('val', 'train')}
CURVES['epochs'] = np.array([5, 10])


@pytest.fixture
def by_cost(tmp_path):
    """Costs of three architectures, with another metric by which the order is reversed; one has diverged."""
    costs = {(2,): [30.0, 31.0, 30.5], (16,): [12.0, 12.5, 12.75], (99,): [math.inf] * 3}
    manifest = Manifest('money', 'fastest', {}, 4, 0, 100, metrics=METRICS)
    with Store.opened(tmp_path / 'sweep', manifest, ['hidden']) as store:
        store.add_points([*costs])
        for point, values in costs.items():
            store.write_tuned(point, tuned())
            for index, cost in enumerate(values):
                result = TrialResult(
                    0, 10, 2.0, math.isinf(cost), cost, 0.5, cost, 0.25 + index, best_val=cost - 1,
                    best_epoch=5.0, metrics={'auc_train': cost / 100, 'auc_val': min(cost, 99) / 100},
                )  # fmt: skip
                store.write_trial(point, index, TrialRecord(result, b'', b'', CURVES))
        store.collate()
    return tmp_path / 'sweep'
