"""How fast are training steps? Samples trained per second, in proportion to the ordinary way.

    python benchmarks/training_speed.py [--rounds 9] [--compile] [NAME …]

The ordinary way is a DataLoader and ignite's `create_supervised_trainer` with `torch.optim.SGD`. The others,
one epoch each in alternation with it, one process and one thread:

    plain      batches by index, `autograd.grad`, `_foreach_add_`: what one would write by hand
    eager      sweeper's step where nothing is captured
    auto       sweeper's default
    lanes      sweeper with 8 models side by side, for networks small enough; per sample of each
    compiled   the plain loop's step under `torch.compile`, warm (only with --compile; needs a C++ compiler)

Below, trainings that say more than a loss: own steps, clipped gradients, groups of parameters, a schedule.
There the ordinary way is a DataLoader and a hand-written loop, and `gain` is how much faster `auto` is, in
proportion to how much faster it is for the same network and plain SGD: 1 means that saying more is free.

Printed are medians of the ratios over the rounds; `set-up` is what recording, compiling and rehearsing cost
once per run in milliseconds, and `verify` what one verification of the captured step costs in processor time.
"""

import argparse
import logging
import statistics
import time
from contextlib import suppress

import torch
from ignite.engine import create_supervised_trainer
from networks import CASES, OWN_CASES
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from sweeper.problem.problem import Problem
from sweeper.training.batches import ShuffledBatches
from sweeper.training.capture.recording import NotCapturable
from sweeper.training.data import as_split
from sweeper.training.loop import Loop
from sweeper.training.side_by_side import SideBySide
from sweeper.training.workspace import Splits, Workspace

LR, LANES, EPOCHS = 0.01, 8, 10
CPU = torch.device('cpu')
criterion = nn.CrossEntropyLoss()


def ordinary(case):
    model = case.build()
    optimizer = torch.optim.SGD(model.parameters(), LR)
    trainer = create_supervised_trainer(model, optimizer, criterion)
    trainer.logger = logging.getLogger('silent')
    loader = DataLoader(TensorDataset(*case.data()), batch_size=case.batch_size, shuffle=True)
    return lambda: trainer.run(loader, max_epochs=1)


def plain(case, compiled=False):
    model, (inputs, targets) = case.build(), case.data()
    parameters = list(model.parameters())

    def step(batch_inputs, batch_targets):
        gradients = torch.autograd.grad(criterion(model(batch_inputs), batch_targets), parameters)
        with torch.no_grad():
            torch._foreach_add_(parameters, gradients, alpha=-LR)

    if compiled:
        step = torch.compile(step)

    def epoch():
        for indices in torch.randperm(case.samples).split(case.batch_size):
            step(inputs[indices], targets[indices])

    return epoch


def by_hand(case):
    """A hand-written loop of an own case."""
    model = case.build()
    optimizer = case.optimizer(model, LR) if case.optimizer else torch.optim.SGD(model.parameters(), LR)
    loader = DataLoader(TensorDataset(*case.data()), batch_size=case.batch_size, shuffle=True)
    factors = [group['lr'] / LR for group in optimizer.param_groups]

    def epoch():
        for number, batch in enumerate(loader):
            for group, factor in zip(optimizer.param_groups, factors, strict=True):
                group['lr'] = factor * case.rate(number / len(loader)) * LR
            optimizer.zero_grad()
            case.step(model, batch).backward()
            if case.clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(model.parameters(), case.clip_norm)
            optimizer.step()

    return epoch


def ours(case, kind, lanes=1):
    """Returns what trains an epoch, the seconds that it took to set that up, and what verifies its step."""
    own = {name: getattr(case, name, None) for name in ('step', 'clip_norm')}
    problem = Problem(
        'benchmark', case.build, nn.CrossEntropyLoss, 'inv-loss' if own['step'] else 'classification',
        lambda: None, getattr(case, 'optimizer', None), **own,
    )  # fmt: skip
    split = as_split(TensorDataset(*case.data()), CPU)
    workspace = Workspace(problem, Splits(split, split, None), CPU, kind)
    batches = [ShuffledBatches(case.samples, case.batch_size, seed) for seed in range(lanes)]
    for _ in range(2):  # the first one imports and compiles what the process has not yet
        start = time.perf_counter()
        if lanes > 1:
            training = workspace.set_up_lanes((), range(lanes), [list(one) for one in batches])
        else:
            training = workspace.set_up((), 0, list(batches[0]), EPOCHS)
        seconds = time.perf_counter() - start
    side_by_side = SideBySide(batches) if lanes > 1 else batches[0]
    steps = len(side_by_side)
    lrs = [LR * case.rate(number / steps) for number in range(steps)]
    return lambda: Loop(training.step, lrs).run(side_by_side), seconds, training.step.verify_last


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def verification_seconds(train, verify, times=30):
    """The median processor time of a verification, each after an epoch, as in a run."""
    found = []
    for _ in range(times):
        train()
        start = time.process_time()
        verify()
        found.append(time.process_time() - start)
    return statistics.median(found)


def ratios(ways, rounds):
    """Medians over the rounds of how much faster each way is than the ordinary one, and its seconds."""
    for work, _ in ways.values():
        work()
    found = {name: [] for name in ways}
    base = []
    for _ in range(rounds):
        base.append(seconds(ways['ordinary'][0]))
        for name, (work, models) in ways.items():
            found[name].append(base[-1] / seconds(work) * models)
    return {name: statistics.median(values) for name, values in found.items()}, statistics.median(base)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--rounds', type=int, default=9)
    parser.add_argument('--compile', action='store_true')
    parser.add_argument('names', nargs='*', help='only networks with this in their name')
    options = parser.parse_args()
    torch.set_num_threads(1)
    columns = ['plain', 'eager', 'auto', 'lanes', *(['compiled'] if options.compile else [])]
    table = Table(
        'network', 'batch', 'ordinary', *columns, 'set-up', 'verify', 'promised', title='samples per second'
    )
    for case in CASES:
        if options.names and not any(name in case.name for name in options.names):
            continue
        ways = {'ordinary': (ordinary(case), 1), 'plain': (plain(case), 1)}
        ways['eager'] = (ours(case, 'eager')[0], 1)
        auto, set_up, verify = ours(case, 'auto')
        ways['auto'] = (auto, 1)
        with suppress(NotCapturable):
            ways['lanes'] = (ours(case, 'lanes', LANES)[0], LANES)
        if options.compile:
            ways['compiled'] = (plain(case, compiled=True), 1)
        found, base = ratios(ways, options.rounds)
        verified = f'{1000 * verification_seconds(auto, verify):.2f} ms'
        cells = [f'{found[name]:.2f}' if name in found else '' for name in columns]
        rate = f'{case.samples / base / 1000:.1f} k/s'
        set_up = f'{1000 * set_up:.0f} ms'
        table.add_row(case.name, str(case.batch_size), rate, *cells, set_up, verified, f'>= {case.target}')
    Console(width=130).print(table)
    print_own(options)


def print_own(options):
    table = Table('training', 'batch', 'by hand', 'auto', 'plain auto', 'gain', 'promised', title='own steps')
    for case in OWN_CASES:
        if options.names and not any(name in case.name for name in options.names):
            continue
        plain_case = case._replace(step=case.plain_step, optimizer=None, clip_norm=None, rate=lambda _: 1.0)
        ways = [way for one in (case, plain_case) for way in (by_hand(one), ours(one, 'auto')[0])]
        for work in ways:
            work()
        rounds = []  # all ways in turns, so that what else the machine does touches them alike
        for _ in range(options.rounds):
            hand, auto, plain_hand, plain_auto = map(seconds, ways)
            rounds.append((hand, hand / auto, plain_hand / plain_auto, hand / auto * plain_auto / plain_hand))
        base, *found = map(statistics.median, zip(*rounds, strict=True))
        rate = f'{case.samples / base / 1000:.1f} k/s'
        table.add_row(case.name, str(case.batch_size), rate, *(f'{value:.2f}' for value in found), '>= 0.95')
    Console(width=130).print(table)


if __name__ == '__main__':
    main()
