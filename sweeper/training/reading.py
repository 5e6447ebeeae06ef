"""Which declared parameters an architecture reads: found by building it and taking its first step."""

from __future__ import annotations

import torch

from ..points import Point
from ..seeding import model_seed
from .bench import Bench
from .optimizers import build_optimizer

_SAMPLES = 2


def read_by(bench: Bench, point: Point, seed: int) -> set[str]:
    """Returns the names that a network, its criterion and its optimizer read, on a batch of every split.

    Args:
        bench: The problem and its data.
        point: The architecture.
        seed: Of whatever is drawn.
    """
    with bench.problem.using(point, {}) as read:
        model, criterion = bench.fresh_model(point, model_seed(seed, ''))
        for name, split in zip(('train', 'val', 'test'), bench.splits, strict=True):
            if split is None:
                continue
            model.train(name == 'train')
            inputs, targets = split.batch(torch.arange(min(_SAMPLES, len(split))))
            with torch.no_grad():
                criterion(model(inputs), targets)
            if name == 'train':
                build_optimizer(bench.problem, model)
        return read()
