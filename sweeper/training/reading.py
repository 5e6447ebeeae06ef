"""Which declared parameters an architecture reads: found by building it and taking its first step."""

from __future__ import annotations

import torch

from ..points import Point
from ..seeding import model_seed
from .optimizers import build_optimizer
from .workspace import Workspace

_SAMPLES = 2


def read_by(workspace: Workspace, point: Point, seed: int) -> set[str]:
    """Returns the names that a network, its criterion and its optimizer read, on a batch of every split.

    Args:
        workspace: The problem and its data.
        point: The architecture.
        seed: Of whatever is drawn.
    """
    with workspace.using(point, {}) as read:
        model, objective = workspace.fresh_model(point, model_seed(seed, ''))
        for name, split in zip(('train', 'val', 'test'), workspace.splits, strict=True):
            if split is None or workspace.problem.load_datasets is None:
                continue
            model.train(name == 'train')
            batch = split.batch(torch.arange(min(_SAMPLES, len(split))))
            with torch.no_grad():
                objective.loss(model, batch)
                if objective.predict is not None:
                    objective.outputs(model, batch)
            if name == 'train':
                build_optimizer(workspace.problem, model)
        return read()
