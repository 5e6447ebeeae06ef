"""Tuning the architectures of a table without training: the tuner's trainings are looked up.

A table has full trainings at a few learning rates and batch sizes. So that the tuner, as it is, can ask for
any rate, batch size and length:

- between the cells of the table, the (logarithm of the) mean loss is interpolated, bilinearly in the
  logarithms of rate and batch size; rates and batch sizes beyond the table are not proposed;
- noise is that of the table: how far one of the seeds, drawn anew for every training, is from the mean in the
  nearest cell;
- a table has no brief trainings, so **what these come to is an assumption** (`Brief`): as much as full ones,
  at the same or at a lower rate, with the same or with more noise;
- a table's losses are of validation data, so they are what held-out training data would say, and how a model
  fits the data that it is trained on; of a training of several cycles, they are the same after each, so
  nothing is said about lengths;
- the range test sees nothing, so the first round covers all rates of the table.
"""

import bisect
import math
import zlib
from typing import NamedTuple

import numpy as np

from sweeper import get_settings
from sweeper.metric import MetricInfo

PRESETS = ('fastest', 'fast', 'slow')
EPOCHS, TRAIN_SIZE = 100, 10_000  # nominal: only shares of a trial matter
TRIAL = EPOCHS * TRAIN_SIZE
OBJECTIVE = MetricInfo('validation_loss', higher=False, best=0.0)


class Brief(NamedTuple):
    """What a brief training is taken to come to: the loss of a full one at another rate.

    Attributes:
        fall: The rate is multiplied by the share of a trial to this power, as the best rate falls with the
            length of training.
        noise: How many times as noisy it is as a full one.
    """

    fall: float = 0.0
    noise: float = 1.0


class Surface:
    """The losses of one architecture over learning rates and batch sizes.

    Args:
        table: Says at which rates and batch sizes, and whether losses differ by factors.
        losses: Shape (learning rates, batch sizes, seeds).
    """

    def __init__(self, table, losses):
        self._lrs, self._sizes = (np.log(values).tolist() for values in (table.lrs, table.batch_sizes))
        self._is_log, seeds = table.is_log, losses.shape[-1]
        single, means = losses, losses.mean(-1)
        if self._is_log:
            single, means = np.log(single), np.log(means)
        self._means = means.tolist()
        deviations = single - single.mean(-1, keepdims=True)
        self._deviations = (deviations * math.sqrt(seeds / max(seeds - 1, 1))).tolist()

    def mean(self, lr, batch_size):
        """The mean loss at any learning rate and batch size; the table's nearest beyond its ends."""
        return self._loss(self._level(_place(self._lrs, lr), _place(self._sizes, batch_size)))

    def single(self, lr, batch_size, draw, noise=1.0):
        """The loss of one training, whose noise, so many times that of the table, is drawn by a number."""
        row, column = _place(self._lrs, lr), _place(self._sizes, batch_size)
        deviations = self._deviations[round(row)][round(column)]
        return self._loss(self._level(row, column) + noise * deviations[draw % len(deviations)])

    def _level(self, row, column):
        top, left = min(int(row), len(self._lrs) - 2), min(int(column), len(self._sizes) - 2)
        down, right = row - top, column - left
        upper, lower = (
            (1 - right) * line[left] + right * line[left + 1] for line in self._means[top : top + 2]
        )
        return (1 - down) * upper + down * lower

    def _loss(self, level):
        return math.exp(level) if self._is_log else min(max(level, 0.0), 1.0)


def _place(values, value):
    """Where the logarithm of a value is among rising ones, as a fractional index."""
    value = min(max(math.log(value), values[0]), values[-1])
    above = min(max(bisect.bisect_right(values, value), 1), len(values) - 1)
    low, high = values[above - 1 : above + 1]
    return above - 1 + (value - low) / (high - low)


def settings_for(table, preset):
    """The settings of a preset for trials as the table has them, within its rates and batch sizes."""
    return get_settings(preset).replace(
        lr_start=table.lrs[0], lr_end=table.lrs[-1], batch_start=table.batch_sizes[0],
        batch_end=table.batch_sizes[-1], cycle_epochs=EPOCHS, trial_samples=TRIAL,
    )  # fmt: skip


def tuned(table, surface, settings, seed, brief):
    """Returns the learning rate and batch size that the tuner chooses.

    Args:
        table: Where the surface is from.
        surface: What trainings of the architecture come to.
        settings: Of the tuning.
        seed: The sweep's.
        brief: What brief trainings come to.
    """
    tuner, results = settings.tune(TRAIN_SIZE, seed, objective=OBJECTIVE), None
    while True:
        try:
            stage = tuner.send(results)
        except StopIteration as end:
            return end.value.lr_max, end.value.batch_size
        results = [_answer(table, surface, run, brief) for run in stage.runs]


def _answer(table, surface, run, brief):
    arguments = run.arguments
    if run.function == 'measure_curve':
        steps = len(arguments['lrs'])
        flat = np.full(steps, table.untrained)
        return {'loss': flat, 'perf': np.zeros(steps), 'untrained': table.untrained}
    lr, size = arguments['lr_max'], arguments['batch_size']
    share = min(arguments['steps'] * size / TRIAL, 1.0)
    draw = zlib.crc32(repr((arguments['seed'], lr, size)).encode())
    loss = surface.single(lr * share**brief.fall, size, draw, brief.noise)
    cycles = arguments.get('cycles', 1)
    courses = {name: np.full(cycles, loss) for name in ('losses', 'perfs')} if cycles > 1 else {}
    return {'loss': loss, 'perf': loss, 'fit': loss, **courses}


def searched(losses, trainings, rng):
    """Returns the cells that random search finds, shape (architectures,): the best of some full trainings.

    Args:
        losses: Shape (architectures, cells, seeds).
        trainings: How many, each of another cell, with one of the seeds.
        rng: Draws them.
    """
    count, cells, seeds = losses.shape
    tried = np.argsort(rng.random((count, cells)), axis=1)[:, :trainings]
    rows = np.arange(count)[:, None]
    single = losses[rows, tried, rng.integers(seeds, size=tried.shape)]
    return tried[rows[:, 0], single.argmin(1)]
