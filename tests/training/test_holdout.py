"""Training samples that are held out: which these are, and what brief trainings tell of them."""

import dataclasses
import math
from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from sweeper.errors import ProblemError
from sweeper.metric import Metric
from sweeper.problem.problem import Problem
from sweeper.training import holdout, runs
from sweeper.training.data import ItemSplit, as_split
from sweeper.training.facts import ProblemFacts
from sweeper.training.holdout import ReadOnce, can_hold_out, hold_out
from sweeper.training.labels import groups_of
from sweeper.training.stream import split_of
from sweeper.training.workspace import Splits, Workspace, no_data

CPU = torch.device('cpu')
BRIEF = {'lr_min': 0.05, 'lr_max': 0.5, 'batch_size': 8, 'steps': 40}


def workspace(targets, model=lambda: nn.Linear(4, 2), step='auto', groups=None, **changes):
    inputs = torch.randn(len(targets), 4, generator=torch.Generator().manual_seed(0))
    split = as_split(TensorDataset(inputs, targets), CPU)
    problem = Problem('here', model, nn.CrossEntropyLoss, 'classification', lambda: None, None)
    return Workspace(dataclasses.replace(problem, **changes), Splits(split, split, None), CPU, step, groups)


def signs(samples=100):
    inputs = torch.randn(samples, 4, generator=torch.Generator().manual_seed(0))
    return (inputs[:, 0] > 0).long()


def held_out_of(here, seed, count, part=0):
    parts = hold_out(here, seed, count, part)
    everything = np.arange(len(here.splits.train))
    held_out = np.setdiff1d(everything, parts.trained.numpy())
    assert parts.scored.places(torch.arange(len(parts.scored))) == held_out.tolist()
    assert {*parts.fitted.places(torch.arange(len(parts.fitted)))} <= {*parts.trained.tolist()}
    return held_out


BINARY = (torch.arange(60) % 9 == 0).float()

# Which samples


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.floats(0.05, 0.9), st.integers(0, 9))
def test_each_class_has_its_share_of_what_is_held_out(sizes, share, seed):
    targets = torch.cat([torch.full((size,), number) for number, size in enumerate(sizes)])
    count = min(max(1, int(share * len(targets))), len(targets) - 1)
    if count < 1:
        return
    here = workspace(targets)
    held_out = held_out_of(here, seed, count)
    assert len(held_out) == count
    assert np.array_equal(held_out, held_out_of(here, seed, count))
    counts = np.bincount(targets[held_out], minlength=len(sizes))
    off = counts - np.array(sizes) * count / len(targets)
    assert (np.abs(off) < 1 + len(sizes) * np.array(sizes) / len(targets)).all()


def test_every_sample_may_be_held_out_and_is_as_often_as_others():
    targets = torch.tensor([0] * 40 + [1] * 9 + [2])
    times = np.zeros(50)
    for seed in range(2000):
        times[held_out_of(workspace(targets), seed, 10)] += 1
    assert np.abs(times - 400).max() < 5 * math.sqrt(2000 * 0.2 * 0.8)


@pytest.mark.parametrize('targets', [torch.rand(60), torch.rand(60, 3), BINARY, BINARY[:, None]])
def test_binary_targets_are_classes_and_other_numbers_are_not(targets):
    counts = {int((targets[held_out_of(workspace(targets), seed, 20)] == 1).sum()) for seed in range(9)}
    ones = int((targets == 1).sum())
    assert counts <= {ones // 3, -(-ones // 3)}


class Listed(Dataset):
    """Read item by item, with a list of labels."""

    def __init__(self, has_targets):
        self.read = 0
        if has_targets:
            self.targets = [0] * 90 + [1] * 10

    def __len__(self):
        return 100

    def __getitem__(self, index):
        self.read += 1
        return torch.randn(4), int(index >= 90)


@pytest.mark.parametrize('has_targets', [True, False])
def test_items_are_not_read_to_know_their_class(has_targets):
    data = Listed(has_targets)
    split = ItemSplit(data, CPU)
    here = dataclasses.replace(workspace(signs()), splits=Splits(split, split, None))
    counts = {int((held_out_of(here, seed, 20) >= 90).sum()) for seed in range(20)}
    assert (counts == {2}) == has_targets
    assert data.read == 0


@given(st.lists(st.integers(1, 30), min_size=2, max_size=12), st.floats(0.05, 0.6), st.integers(0, 9))
def test_groups_are_held_out_as_a_whole_and_about_as_many_samples(sizes, share, seed):
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    count = max(1, int(share * len(groups)))
    here = workspace(torch.zeros(len(groups)), groups=np.concatenate([groups, [99, 99]]))
    held_out = held_out_of(here, seed, count)
    trained = np.setdiff1d(np.arange(len(groups)), held_out)
    assert not {*groups[held_out].tolist()} & {*groups[trained].tolist()}
    assert 0 < len(held_out) < len(groups)
    assert len(held_out) < 2 * count or len({*groups[held_out].tolist()}) == 1


class Stream(IterableDataset):
    def __len__(self):
        return 9

    def __iter__(self):
        return iter([(torch.zeros(4), 0)] * 9)


def test_of_a_stream_of_one_group_and_without_data_nothing_can_be_held_out():
    data, stream = as_split(TensorDataset(torch.zeros(9, 4), torch.zeros(9)), CPU), split_of(Stream(), CPU)
    assert can_hold_out(data, None) and can_hold_out(data, np.arange(9) // 5)
    assert not can_hold_out(data, np.zeros(9)) and not can_hold_out(stream, None)
    assert not can_hold_out(as_split(TensorDataset(torch.zeros(1, 4), torch.zeros(1)), CPU), None)
    here = workspace(torch.zeros(9), groups=np.zeros(12, int))
    with pytest.raises(ProblemError, match='all training samples are of one group'):
        hold_out(here, 0, 3)
    nothing = no_data(dataclasses.replace(here.problem, load_datasets=None, train=print))
    assert not can_hold_out(nothing.train, None)
    assert hold_out(dataclasses.replace(here, splits=nothing), 0, 3).trained is None


def test_a_tuning_method_is_told_whether_something_can_be_held_out(write_problem, tmp_path, sweep_inline):
    from sweeper import FixedSweep, Tuned

    told = []

    class Method:
        def tune(self, train_size, seed, nuisance=None, can_hold_out=None):
            told.append(can_hold_out)
            yield from ()
            return Tuned(lr_min=0.01, lr_max=0.1, batch_size=8, cycle_size_epochs=1, epochs=1)

    for name, ending in {
        'plain': '', 'groups': 'def groups():\n    return [0] * sum(map(len, dataset()))\n'
    }.items():  # fmt: skip
        problem = write_problem(ending=ending)
        sweep_inline(problem.path, FixedSweep.with_fixed_trials([(4,)], 1), tmp_path / name, hparams=Method())
    assert told == [True, False]
    assert ProblemFacts.__dataclass_fields__['can_hold_out'].default is True


def test_groups_that_are_not_one_per_sample_are_an_error():
    problem = workspace(signs(), groups=None).problem
    assert groups_of(problem, 100, 10) is None
    with pytest.raises(ProblemError, match=r'must return one value for each of the 100 training samples'):
        groups_of(dataclasses.replace(problem, groups=lambda: [1, 2]), 100, 10)


# Brief trainings


class Wide(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))


def briefly(here, seeds=(3,), **changes):
    return runs.train_briefly(
        here, (), list(seeds), **{**BRIEF, 'holdout_seed': 5, 'held_out': 20, **changes}
    )


def assert_same(results, others):
    for result, other in zip(results, others, strict=True):
        assert result.keys() == other.keys()
        assert all(np.array_equal(result[name], other[name]) for name in result if name != 'step')


@pytest.mark.parametrize('step', ['eager', 'captured'])
def test_each_cycle_s_scores_are_those_of_a_training_of_so_many_cycles(step):
    (long,) = briefly(workspace(signs(), Wide, step), cycles=4)
    assert long['losses'].shape == long['perfs'].shape == (4,)
    for cycles in (1, 2, 3):
        (short,) = briefly(workspace(signs(), Wide, step), steps=10 * cycles, cycles=cycles)
        assert (short['loss'], short['perf']) == (long['losses'][cycles - 1], long['perfs'][cycles - 1])
    assert (long['loss'], long['perf']) == (long['losses'][3], long['perfs'][3])


def test_in_lanes_runs_score_as_alone_and_as_without_scores_of_cycles():
    here = workspace(signs(), Wide, 'lanes')
    together = briefly(here, (3, 4, 5), cycles=4)
    assert {result['step'].kind for result in together} == {'lanes'}
    for seed, result in zip((3, 4, 5), together, strict=True):
        (alone,) = briefly(workspace(signs(), Wide, 'eager'), (seed,), cycles=4)
        assert result.keys() == alone.keys()
        for name in ('loss', 'perf', 'fit', 'losses', 'perfs'):
            np.testing.assert_allclose(result[name], alone[name], rtol=1e-5)
    short = briefly(here, (3, 4, 5), steps=20, cycles=2)
    assert [result['loss'] for result in short] == [result['losses'][1] for result in together]


def test_scoring_cycles_changes_nothing_of_the_training():
    class Noisy(Wide):
        """Draws at random in evaluation, too."""

        def forward(self, inputs):
            return super().forward(inputs + 0.1 * torch.randn_like(inputs))

    seen = []

    class Watched(Noisy):
        def forward(self, inputs):
            output = super().forward(inputs)
            if self.training:
                seen[-1].append(output.detach().clone())
            return output

    from sweeper.training import plan as plans

    here = workspace(signs(), Watched, 'eager')
    seen.append([])
    briefly(here, cycles=4)
    monkey = plans.learning_rates
    try:  # the same rates, in one cycle
        plans.learning_rates = lambda schedule, low, high, steps, _: monkey(schedule, low, high, steps, 4)
        seen.append([])
        briefly(here)
    finally:
        plans.learning_rates = monkey
    assert len(seen[0]) == len(seen[1]) == 40
    assert all(map(torch.equal, *seen))


def test_fit_is_the_loss_on_as_many_samples_that_were_trained_on():
    scored = []

    class Watched(nn.Linear):
        def forward(self, inputs):
            if not self.training:
                scored.append(inputs[:, 0])
            return super().forward(inputs)

    here = workspace(signs(), lambda: Watched(4, 2), 'eager')
    (result,) = briefly(here)
    held_out, fitted = scored
    assert len(held_out) == len(fitted) == 20 and not {*held_out.tolist()} & {*fitted.tolist()}
    assert math.isfinite(result['fit']) and result['fit'] != result['loss']
    assert 'fit' not in briefly(here, held_out=0)[0]


def test_after_it_diverged_scores_are_infinite():
    class Bomb(Wide):
        steps = 0

        def forward(self, inputs):
            self.steps += self.training
            return super().forward(inputs) * (math.nan if self.steps > 25 else 1)

    (result,) = briefly(workspace(signs(), Bomb, 'eager'), cycles=4)
    assert np.isfinite(result['losses']).tolist() == [True, True, False, False]
    assert result['perfs'][:2].all() and not result['perfs'][2:].any()
    assert (result['loss'], result['perf'], result['fit']) == (math.inf, 0, math.inf)


@pytest.mark.parametrize('schedule', ['cosine', 'one-cycle', lambda progress: 1 - progress])
def test_with_a_schedule_that_stretches_there_are_no_scores_of_cycles(schedule):
    (result,) = briefly(workspace(signs(), schedule=schedule), cycles=4)
    assert 'losses' not in result and 'perfs' not in result
    assert 'losses' in briefly(workspace(signs(), schedule='constant'), cycles=4)[0]


def test_an_own_loop_is_scored_at_the_end_of_each_cycle():
    def train(run):
        optimizer = torch.optim.SGD(run.model.parameters(), 1.0)
        for inputs, targets in run:
            run.set_lr(optimizer)
            optimizer.zero_grad()
            loss = run.criterion(run.model(inputs), targets)
            loss.backward()
            optimizer.step()
            run.report(loss)

    assert_same(
        briefly(workspace(signs(), train=train), cycles=4),
        briefly(workspace(signs(), step='eager'), cycles=4),
    )


def test_handlers_are_told_nothing_and_may_end_it():
    events = []

    def attach(engine, run):
        from sweeper import RunEvents

        engine.add_event_handler(RunEvents.SCORED, lambda: events.append(run.kind))
        engine.add_event_handler(
            RunEvents.CHUNK_COMPLETED, lambda: engine.state.iteration >= 20 and run.stop()
        )

    (result,) = briefly(workspace(signs(), attach=attach), cycles=4)
    assert events == []
    assert result['losses'][1] == result['losses'][2] == result['losses'][3] == result['loss']


def test_an_average_of_weights_is_what_is_scored():
    (averaged,) = briefly(workspace(signs(), Wide, ema=0.9), cycles=4)
    (plain,) = briefly(workspace(signs(), Wide), cycles=4)
    assert averaged['losses'].tolist() != plain['losses'].tolist()


def auc(targets):
    return workspace(
        targets, lambda: nn.Sequential(nn.Linear(4, 1), nn.Flatten(0)), build_criterion=nn.BCEWithLogitsLoss,
        accuracy_style=None, metrics={'auc': Metric('auc')},
    )  # fmt: skip


@pytest.mark.parametrize('cycles', [1, 4])
def test_a_metric_that_has_no_value_of_what_is_held_out_is_that_of_a_diverged_model(cycles):
    rare = torch.zeros(100)
    rare[7] = 1
    (result,) = briefly(auc(rare), held_out=3, cycles=cycles)
    assert result['perf'] == 0 and math.isfinite(result['loss']) and math.isfinite(result['fit'])
    assert result['flags'] == 'objective_unmeasured'
    (result,) = briefly(auc(signs().float()), cycles=cycles)
    assert 0 < result['perf'] <= 1 and 'flags' not in result
    with pytest.raises(ProblemError, match='is NaN of 100 samples'):
        briefly(auc(torch.zeros(100)), held_out=0)


def test_a_metric_that_fails_on_a_part_is_not_measured_either():
    def sensitive(outputs, targets):
        if len(targets) < 30:
            raise ValueError('too few')
        return 1.0

    here = workspace(signs(), accuracy_style=None, metrics={'own': Metric(sensitive, higher=True)})
    (result,) = briefly(here)
    assert result['perf'] == -math.inf and result['flags'] == 'objective_unmeasured'
    assert briefly(here, held_out=40)[0]['perf'] == 1


def test_tiny_data_is_held_out_down_to_a_single_sample():
    for size in (2, 3, 5):
        (result,) = briefly(workspace(signs(size)), held_out=1, cycles=2, batch_size=2)
        assert result['losses'].shape == (2,)


def test_items_that_are_held_out_are_read_once():
    data, reads = Listed(has_targets=True), {}
    for cycles in (1, 4):
        split = ItemSplit(data, CPU)
        here = dataclasses.replace(workspace(signs(), step='eager'), splits=Splits(split, split, None))
        data.read = 0
        briefly(here, cycles=cycles)
        reads[cycles] = data.read
    assert reads[1] == reads[4]


def test_items_are_read_again_if_they_take_too_much_memory(monkeypatch):
    data = Listed(has_targets=False)
    part, order = ReadOnce(ItemSplit(data, CPU), torch.arange(10, 30)), [torch.arange(12), torch.arange(8)]
    first, again = (list(part.batches(order)) for _ in range(2))
    assert data.read == 20 and all(torch.equal(a[0], b[0]) for a, b in zip(first, again, strict=True))
    list(part.batches(order[:1]))
    assert data.read == 32
    monkeypatch.setattr(holdout, '_KEPT_BYTES', 100)
    part = ReadOnce(ItemSplit(data, CPU), torch.arange(10, 30))
    for _ in range(2):
        list(part.batches(order))
    assert data.read == 32 + 40


def test_what_is_read_once_may_be_changed_by_a_model():
    class Spoiling(Wide):
        def forward(self, inputs):
            output = super().forward(inputs)
            return output if self.training else output + 0 * inputs.mul_(0).sum()

    split = ItemSplit(TensorDataset(torch.randn(100, 4), signs()), CPU)
    results = []
    for model in (Wide, Spoiling):
        here = dataclasses.replace(workspace(signs(), model, 'eager'), splits=Splits(split, split, None))
        results += briefly(here, cycles=4)
    assert_same(results[:1], results[1:])


# Several parts


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(0, 9), st.integers(2, 6))
def test_parts_of_a_seed_are_disjoint_with_their_share_of_each_class(sizes, seed, count):
    targets = torch.cat([torch.full((size,), number) for number, size in enumerate(sizes)])
    here, held_out = workspace(targets), len(targets) // count
    if not held_out:
        return
    parts = [held_out_of(here, seed, held_out, part) for part in range(count)]
    assert len({*np.concatenate(parts).tolist()}) == count * held_out
    assert np.array_equal(parts[0], held_out_of(here, seed, held_out))
    for part in parts:
        off = np.bincount(targets[part], minlength=len(sizes)) - np.array(sizes) * held_out / len(targets)
        assert (np.abs(off) < 1 + len(sizes) * np.array(sizes) / len(targets)).all()


@pytest.mark.parametrize('targets', [torch.rand(100), signs(), (torch.arange(100) % 9 == 0).float()])
def test_five_parts_of_a_fifth_are_all_samples(targets):
    parts = [held_out_of(workspace(targets), 3, 20, part) for part in range(5)]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(100))


@given(st.lists(st.integers(1, 30), min_size=5, max_size=40), st.integers(0, 9))
def test_of_every_part_whole_groups_are_held_out(sizes, seed):
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    here = workspace(torch.zeros(len(groups)), groups=groups)
    parts = [held_out_of(here, seed, max(1, len(groups) // 5), part) for part in range(5)]
    for part in parts:
        others = np.setdiff1d(np.arange(len(groups)), part)
        assert len(part) and len(others) and not {*groups[part].tolist()} & {*groups[others].tolist()}


def test_of_groups_of_one_size_parts_are_disjoint_and_all_samples():
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(20), 5))
    here = workspace(torch.zeros(100), groups=groups)
    parts = [held_out_of(here, 4, 20, part) for part in range(5)]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(100))


def test_each_part_is_what_a_brief_training_is_scored_on():
    scored = []

    class Watched(nn.Linear):
        def forward(self, inputs):
            if not self.training:
                scored.append(inputs[:, 0].tolist())
            return super().forward(inputs)

    here = workspace(signs(), lambda: Watched(4, 2), 'eager')
    for part in range(5):
        briefly(here, holdout_part=part)
    assert len({*chain.from_iterable(scored[::2])}) == 100, 'held out; every other is what was trained on'
