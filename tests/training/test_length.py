"""Trainings that end, and have cycles that end, within an epoch."""

import io
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import TensorDataset

from sweeper import Callback, RunEvents
from sweeper.problem.problem import Problem
from sweeper.seeding import model_seed, run_seed, seed_everything
from sweeper.training.batches import ShuffledBatches
from sweeper.training.data import as_split
from sweeper.training.length import CHUNK, Chunks, Length
from sweeper.training.runs import TrainingPlan, train_fully
from sweeper.training.schedule import triangular
from sweeper.training.workspace import Splits, Workspace

from .test_own_loop import plain

CPU = torch.device('cpu')
SAMPLES, BATCH = 500, 8
PER_EPOCH = 63  # ceil(500 / 8)
# How long, in epochs of 63 steps, and the steps at whose end models are scored.
LENGTHS = {
    (0.5, 0.5): [32],
    (0.9, 0.45): [28, 57],
    (1.5, 1.5): [94],
    (2, 0.5): [32, 63, 94, 126],
    (2.5, 1.25): [79, 158],
}
every_length = pytest.mark.parametrize(('epochs', 'ends'), LENGTHS.items(), ids=str)


@given(st.integers(1, 30), st.integers(1, 5), st.integers(1, 100))
def test_whole_epochs_are_what_they_were(cycles, cycle_epochs, per_epoch):
    epochs = cycles * cycle_epochs
    length = Length(epochs, cycle_epochs, per_epoch)
    assert (length.steps, length.cycles, length.begun_epochs) == (epochs * per_epoch, cycles, epochs)
    assert length.stops == [epoch * per_epoch for epoch in range(1, epochs + 1)]
    assert length.cycle_ends == length.stops[cycle_epochs - 1 :: cycle_epochs]
    counts = [length.epochs_after(steps) for steps in length.stops]
    assert counts == [*range(1, epochs + 1)] and all(isinstance(count, int) for count in counts)


@given(st.floats(1e-4, 9), st.integers(1, 9), st.integers(1, 5000))
def test_a_training_has_whole_steps_and_whole_cycles(epochs, cycles, per_epoch):
    length = Length(epochs, epochs / cycles, per_epoch)
    assert abs(length.steps - epochs * per_epoch) <= 0.5 or length.steps == 1
    assert length.cycles == min(cycles, length.steps) == len(set(length.cycle_ends))
    assert length.cycle_ends[-1] == length.stops[-1] == length.steps and min(length.cycle_ends) >= 1
    parts = np.diff([0, *length.cycle_ends])
    assert max(parts) - min(parts) <= 1
    counts = [length.epochs_after(steps) for steps in length.stops]
    assert length.epochs_after(length.steps) == epochs
    assert len(set(counts)) == len(counts) or length.steps != round(epochs * per_epoch)


@given(st.floats(0.01, 4), st.integers(1, 9), st.integers(1, 200))
def test_chunks_are_all_batches_up_to_the_end_in_order(epochs, cycles, per_epoch):
    length, passes = Length(epochs, epochs / cycles, per_epoch), itertools.count()

    class Epochs:
        def __len__(self):
            return per_epoch

        def __iter__(self):
            number = next(passes)
            return iter([number * per_epoch + k for k in range(per_epoch)])

    chunks = Chunks(Epochs(), length.stops)
    parts = [part for _ in range(length.begun_epochs) for part in chunks]
    assert [k for part, _ in parts for k in part] == [*range(length.steps)]
    assert [part[-1] + 1 for part, is_stop in parts if is_stop] == length.stops
    assert max(len(part) for part, _ in parts) <= CHUNK


def split(samples, seed):
    inputs = torch.randn(samples, 4, generator=torch.Generator().manual_seed(seed))
    return as_split(TensorDataset(inputs, (inputs[:, 0] > 0).long()), CPU)


def workspace(step, **options):
    problem = Problem(
        'here', lambda: nn.Linear(4, 2), nn.CrossEntropyLoss, 'classification', lambda: None, None, **options
    )
    return Workspace(problem, Splits(split(SAMPLES, 0), split(40, 1), None), CPU, step)


def by_hand(seed, plan, ends):
    """The weights at the ends of cycles, by a loop that anybody would write."""
    seed_everything(model_seed(seed, '[]'))
    model, data = nn.Linear(4, 2), split(SAMPLES, 0)
    batches = ShuffledBatches(SAMPLES, plan.batch_size, run_seed(seed, 'order', 0))
    lrs, weights = triangular(plan.lr_min, plan.lr_max, ends[-1], len(ends)), []
    order = itertools.chain.from_iterable(itertools.repeat(batches))
    for step, (lr, indices) in enumerate(zip(lrs.tolist(), order, strict=False), 1):
        inputs, targets = data.batch(indices)
        model.zero_grad()
        nn.functional.cross_entropy(model(inputs), targets).backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= lr * parameter.grad
        if step in ends:
            with torch.no_grad():
                inputs, targets = data.data
                weights.append(float(nn.functional.cross_entropy(model(inputs), targets)))
    return model.state_dict(), weights


WAYS = {
    'eager': {'step': 'eager'},
    'captured': {'step': 'captured'},
    'lanes': {'step': 'lanes'},
    'own loop': {'step': 'eager', 'train': plain},
    'handlers': {'step': 'captured', 'attach': lambda engine, run: None},
    'handlers of steps': {'step': 'auto', 'callbacks': lambda: [Callback()]},
}


@every_length
@pytest.mark.parametrize('way', WAYS)
def test_a_trial_takes_the_steps_of_its_length_and_no_more(way, epochs, ends):
    plan = TrainingPlan(0.02, 0.2, BATCH, *epochs)
    seeds = [3, 4] if way == 'lanes' else [3]
    for seed, done in zip(seeds, train_fully(workspace(**WAYS[way]), (), seeds, plan), strict=True):
        model, losses = by_hand(seed, plan, ends)
        assert way != 'captured' or done['step'].kind == 'captured'
        assert way != 'lanes' or done['step'].kind == 'lanes'
        trained = torch.load(io.BytesIO(done['model']), weights_only=True)
        for name in model:
            torch.testing.assert_close(trained[name], model[name], rtol=1e-4, atol=1e-5)
        assert done['throughtime']['loss_train'] == pytest.approx(losses, rel=1e-4)
        assert done['epochs'] == epochs[0] == done['throughtime']['epochs'][-1]
        assert done['throughtime']['epochs'] * PER_EPOCH == pytest.approx(ends, abs=0.6)


def test_what_handlers_are_told_of_an_epoch_cut_short():
    events, told = [], []

    class Told(Callback):
        def before_train(self, run):
            told.append((run.epochs, run.steps))

        def before_epoch(self, run, epoch):
            events.append(f'begin {epoch}')

        def after_epoch(self, run, epoch, loss):
            events.append(f'end {epoch}')

        def after_valid(self, run, epoch, scores):
            events.append('scored')

        def after_train(self, run):
            events.append('trained')

    def attach(engine, run):
        engine.add_event_handler(RunEvents.CHUNK_COMPLETED, lambda: events.append(engine.state.iteration))

    here = workspace('captured', attach=attach, callbacks=lambda: [Told()])
    train_fully(here, (), [3], TrainingPlan(0.02, 0.2, BATCH, 1.5, 0.75), 0)
    assert told == [(1.5, 94)]
    assert events == ['begin 1', 32, 47, 'scored', 63, 'end 1', 'begin 2', 94, 'scored', 'trained']


def test_a_step_that_diverges_within_a_cut_epoch_is_noticed():
    plan = TrainingPlan(1e38, 3e38, BATCH, 0.5, 0.25)
    (done,) = train_fully(workspace('eager'), (), [3], plan)
    assert done['diverged'] and 0 < done['epochs'] <= 0.5
