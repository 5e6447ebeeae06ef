"""Two widths on 350 cases of diabetes, which networks soon know by heart: does tuning do justice to both?

    python benchmarks/diabetes_widths.py [--preset fastest] [--seeds 5] [--trials 3]

Perceptrons with 8 and 64 tanh units, sweeps of both; the mean validation performance, 1 / (1 + mean squared
error), of their trials: mean, lowest and highest over seeds of the sweep, and what was tuned and flagged. A
network that says nothing gets 0.5, linear regression about 0.66.
"""

import argparse
import statistics
import sys
import tempfile
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table
from torch import nn

from sweeper import FixedSweep, sweep

sys.path.insert(0, str(Path(__file__).with_name('regret_problems')))
from diabetes_tanh import accuracy_style, dataset, loss  # noqa: F401 (names of this problem)

WIDTHS = (8, 64)


def model(width):
    return nn.Sequential(nn.Linear(10, width), nn.Tanh(), nn.Linear(width, 1))


def measure(preset, seed, trials):
    """Returns, by width, the mean validation performance, what was tuned, and the flags."""
    with tempfile.TemporaryDirectory() as folder:
        selector = FixedSweep.with_fixed_trials([(width,) for width in WIDTHS], trials)
        results = sweep(Path(__file__), selector, 2, preset, folder, seed=seed, progress='none')
        frame = results.to_frame()
        epochs = dict(zip(frame['width'], frame['epochs'], strict=True)) if 'epochs' in frame else {}
        return {
            result.params[0]: (
                float(result.perf_val.mean()),
                f'{result.lr_max:.2g}/{result.bs}/{epochs.get(result.params[0], "?")}',
                results.flags.get(result.params, []),
            )
            for result in results
        }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--preset', default='fastest')
    parser.add_argument('--seeds', type=int, default=5)
    parser.add_argument('--trials', type=int, default=3)
    options = parser.parse_args()
    found = [measure(options.preset, seed, options.trials) for seed in range(options.seeds)]
    table = Table('width', 'validation', 'lowest', 'highest', 'rate/batch size/epochs', 'flags')
    for width in WIDTHS:
        perfs, tuned, flags = zip(*(each[width] for each in found), strict=True)
        counts = Counter(flag for some in flags for flag in some)
        table.add_row(
            str(width), f'{statistics.mean(perfs):.3f}', f'{min(perfs):.3f}', f'{max(perfs):.3f}',
            ', '.join(tuned), ', '.join(f'{flag} {count}' for flag, count in sorted(counts.items())),
        )  # fmt: skip
    Console(width=140).print(table)


if __name__ == '__main__':
    main()
