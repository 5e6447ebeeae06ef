"""What reading, reporting and resuming a sweep of very many points take: seconds and the most memory.

    python -m benchmarks.large_folder --points 1000 5000 20000

One point is trained; the results of all others are made up and written through the store, so that the folder
is a valid one. Each command then runs in a process of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sweeper.io import checksums, files
from sweeper.results import TrialRecord
from sweeper.store.layout import SweepLayout
from sweeper.store.reading import read_trial, read_tuned
from sweeper.store.store import Store

_PROBLEM = """
import torch
from torch import nn
from torch.utils.data import TensorDataset

from sweeper import FixedSweep

accuracy_style, loss = 'classification', nn.CrossEntropyLoss

def dataset():
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    data = TensorDataset(x, (x[:, 0] > 0).long())
    return data, data

def model(width, dropout):
    return nn.Sequential(nn.Linear(4, 2), nn.Dropout(dropout))

def selector():
    return FixedSweep([((index, index % 7 / 10), {trials}) for index in range({points})])
"""


def make_folder(work: Path, points: int, trials: int = 3) -> list[str]:
    """Makes a finished sweep in `work/out`; returns the command that it is the result of."""
    problem, folder = work / 'problem.py', work / 'out'
    problem.write_text(_PROBLEM.format(points=1, trials=trials))
    command = [
        sys.executable, '-m', 'sweeper', 'run', str(problem), '--preset', 'fastest', '--cores', '1',
        '--sweep-cores', '1', '--progress', 'none', '--out', str(folder),
    ]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    problem.write_text(_PROBLEM.format(points=points, trials=trials))
    with _unflushed(), Store.opened(folder) as store:
        fill(store, points, trials)
    with _unflushed(), Store.opened(folder) as store:
        store.rebuild()
    return command


def fill(store: Store, points: int, trials: int) -> None:
    """Gives points to a store that has one, with results like that one's."""
    rng, layout = random.Random(0), SweepLayout(store.layout.folder).point(0)
    tuned = read_tuned(layout)
    assert tuned is not None
    models = [layout.trial(0).model.read_bytes(), layout.trial(0).model_init.read_bytes()]
    curves = {'lr_vs_perf': files.read_npz(layout.curve('lr_vs_perf'))}
    curves['candidates'] = files.read_npz(layout.curve('candidates'))
    tuned = replace(tuned, report=checksums.read_sealed(layout.misc), curves=curves)
    made = [(index, index % 7 / 10) for index in range(points)]
    store.add_points(made)
    results = [read_trial(layout.trial(index)) for index in range(trials)]
    throughtime = files.read_npz(layout.trial(0).throughtime)
    for point in made[1:]:
        store.write_tuned(point, tuned)
        level = 0.7 + 0.2 * rng.random()
        for index, result in enumerate(results):
            assert result is not None
            perf = level + 0.05 * rng.random()
            made_up = replace(result, perf_train=perf, perf_val=perf)
            store.write_trial(point, index, TrialRecord(made_up, *models, throughtime))


@contextlib.contextmanager
def _unflushed() -> Iterator[None]:
    flush, os.fsync = os.fsync, lambda _: None
    try:
        yield
    finally:
        os.fsync = flush


def measure(command: list[str]) -> tuple[float, float, float]:
    """Runs a command; returns its seconds, its CPU time, and its most memory, in MB."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, (command, status)
    return time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Prints a row per command and number of points."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--points', type=int, nargs='+', default=[1000, 5000, 20000])
    parser.add_argument('--trials', type=int, default=3)
    parser.add_argument('--only', nargs='+', help='names of commands')
    parser.add_argument('--in', dest='place', type=Path, help='a folder to work in')
    given = parser.parse_args()
    print('| points | command | seconds | of CPU time | most memory, MB |\n|---|---|---|---|---|')
    for points in given.points:
        with tempfile.TemporaryDirectory(dir=given.place) as work:
            resume = make_folder(Path(work), points, given.trials)
            cli, folder = [sys.executable, '-m', 'sweeper'], f'{work}/out'
            commands = {
                'load': [sys.executable, '-c', f'import sweeper; sweeper.load({folder!r})'],
                'status': [*cli, 'status', folder],
                'report --format csv': [*cli, 'report', folder, '--format', 'csv'],
                'report --format md': [*cli, 'report', folder, '--format', 'md'],
                'report --format json': [*cli, 'report', folder, '--format', 'json'],
                'report': [*cli, 'report', folder],
                'collate': [*cli, 'collate', folder],
                'run, nothing to do': resume,
            }
            for name, command in commands.items():
                if not given.only or name in given.only:
                    seconds, busy, memory = measure(command)
                    row = f'{points} | `{name}` | {seconds:.1f} | {busy:.1f} | {memory:.0f}'
                    print(f'| {row} |', flush=True)


if __name__ == '__main__':
    main()
