"""The ways of training that `gpu.py` compares; each is a function that trains an epoch."""

import logging
import time

import torch
from ignite.engine import create_supervised_trainer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from sweeper.problem.problem import Problem
from sweeper.training.batches import ShuffledBatches
from sweeper.training.data import as_split
from sweeper.training.loop import Loop
from sweeper.training.side_by_side import SideBySide
from sweeper.training.workspace import Splits, Workspace

LR, LANES, EPOCHS = 0.01, 8, 100
criterion = nn.CrossEntropyLoss()


def ordinary(case, device):
    model = case.build().to(device)
    trainer = create_supervised_trainer(
        model, torch.optim.SGD(model.parameters(), LR), criterion, device, non_blocking=True
    )
    trainer.logger = logging.getLogger('silent')
    loader = DataLoader(
        TensorDataset(*case.data()), case.batch_size, shuffle=True, pin_memory=device.type == 'cuda'
    )
    return lambda: trainer.run(loader, max_epochs=1)


def plain(case, device):
    """The loop that one would write by hand: data on the device, batches by index."""
    model, (inputs, targets) = case.build().to(device), (part.to(device) for part in case.data())
    parameters = list(model.parameters())

    def epoch():
        for indices in torch.randperm(case.samples, device=device).split(case.batch_size):
            gradients = torch.autograd.grad(criterion(model(inputs[indices]), targets[indices]), parameters)
            with torch.no_grad():
                torch._foreach_add_(parameters, gradients, alpha=-LR)

    return epoch


class NotThisWay(Exception):
    """Steps are taken in another way than asked for; says which, and why."""


def ours(case, device, kind):
    """Raises `NotThisWay` if steps cannot be taken so."""
    problem = Problem('benchmark', case.build, nn.CrossEntropyLoss, 'classification', lambda: None, None)
    split = as_split(TensorDataset(*case.data()), device)
    workspace = Workspace(problem, Splits(split, split, None), device, kind)
    count = LANES if kind == 'lanes' else 1
    batches = [ShuffledBatches(case.samples, case.batch_size, seed) for seed in range(count)]
    if kind == 'lanes':
        training = workspace.set_up_lanes((), range(count), [list(one) for one in batches])
    else:
        training = workspace.set_up((), 0, list(batches[0]), EPOCHS)
    if training.kind.kind != kind:
        raise NotThisWay(str(training.kind))
    together = SideBySide(batches) if kind == 'lanes' else batches[0]
    lrs = [LR] * len(together)
    return lambda: Loop(training.step, lrs).run(together)


WAYS = {
    'ordinary': ordinary,
    'plain': plain,
    'eager': lambda case, device: ours(case, device, 'eager'),
    'captured': lambda case, device: ours(case, device, 'captured'),
    'lanes': lambda case, device: ours(case, device, 'lanes'),
}


def wait_for(device):
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def rate(epoch, case, device, seconds, models=1):
    """Samples per second of all models together, over whole epochs that take so long at least."""
    wait_for(device)
    start, count = time.perf_counter(), 0
    while (took := time.perf_counter() - start) < seconds or not count:
        epoch()
        wait_for(device)
        count += 1
    took = time.perf_counter() - start
    return count * case.samples * models / took
