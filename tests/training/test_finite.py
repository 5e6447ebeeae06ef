"""A loss that is NaN or infinite is put down to what it comes from: data, training, or evaluation alone."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from sweeper import FixedSweep
from sweeper.errors import NotFiniteData, PointFailedWarning
from sweeper.problem.problem import Problem
from sweeper.report.flags import exclusions
from sweeper.training import runs
from sweeper.training.data import ItemSplit, as_split
from sweeper.training.runs import TrainingPlan
from sweeper.training.workspace import Splits, Workspace

CPU = torch.device('cpu')
NAMES = ('train', 'val', 'test')
SAMPLES = 56
PLAN = TrainingPlan(lr_min=0.01, lr_max=0.1, batch_size=8, epochs=8, cycle_size_epochs=8)
DIVERGING = dataclasses.replace(PLAN, lr_min=1e20, lr_max=1e30)
BRIEF = {'lr_min': 0.01, 'lr_max': 0.1, 'batch_size': 8, 'steps': 49}


class Noisy(Dataset):
    """Items that are never read twice alike, so that they are read one by one."""

    def __init__(self, bad=None, value=math.nan, is_target=False):
        generator = torch.Generator().manual_seed(1)
        self.inputs = torch.randn(SAMPLES, 4, generator=generator)
        self.targets = self.inputs[:, :2] * 2
        if bad is not None:
            (self.targets if is_target else self.inputs)[bad, 1] = value

    def __len__(self):
        return SAMPLES

    def __getitem__(self, index):
        return self.inputs[index] + 1e-3 * torch.randn(4), self.targets[index]


class Coping(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, inputs):
        return self.layer(torch.nan_to_num(inputs, posinf=0.0, neginf=0.0))


class Raising(nn.Linear):
    def forward(self, inputs):
        if not torch.isfinite(inputs).all():
            raise ValueError('what is this?')
        return super().forward(inputs)


def linear(width):
    return nn.Linear(4, 2)


def workspace(splits, model=linear, step='auto', loss=nn.MSELoss):
    splits = [one if isinstance(one, ItemSplit) else as_split(one, CPU) for one in splits]
    problem = Problem('here', model, loss, 'inv-loss', lambda: None, None)
    return Workspace(problem, Splits(*splits), CPU, step)


def with_bad(name, *bad):
    return [Noisy(*bad) if one == name else Noisy() for one in NAMES]


def in_memory(data):
    return TensorDataset(data.inputs, data.targets)


def full(workspace, plan=PLAN):
    return runs.train_fully(workspace, (1,), [3], plan)[0]


def brief(workspace):
    return runs.train_briefly(workspace, (1,), [3], **BRIEF)[0]


def curve(workspace):
    return runs.measure_curve(workspace, (1,), [3], np.geomspace(1e-4, 1e-2, 49).tolist(), [8] * 49)[0]


# Data


@settings(max_examples=25)
@given(
    st.sampled_from(NAMES),
    st.integers(0, SAMPLES - 1),
    st.sampled_from([math.nan, math.inf, -math.inf]),
    st.booleans(),
    st.booleans(),
    st.sampled_from(['auto', 'eager']),
)
def test_data_that_are_not_finite_are_named_by_split_and_sample(name, bad, value, is_target, is_read, step):
    splits = with_bad(name, bad, value, is_target)
    here = workspace(splits if is_read else map(in_memory, splits), step=step)
    assert {isinstance(split, ItemSplit) for split in here.splits} == {is_read}
    kind = 'targets' if is_target else 'inputs'
    with pytest.raises(NotFiniteData, match=f'the {kind} of the {name} dataset .* first in sample {bad}, '):
        full(here)


@pytest.mark.parametrize('run', [full, brief, curve])
@pytest.mark.parametrize('model', [linear, lambda width: Raising(4, 2)], ids=['loss', 'error'])
@pytest.mark.parametrize('step', ['auto', 'eager'])
def test_training_data_are_no_divergence_in_any_run(run, model, step):
    with pytest.raises(NotFiniteData, match=r'the inputs of the train dataset .* sample 17, '):
        run(workspace(with_bad('train', 17), model, step))


def test_data_in_lanes():
    here = workspace(map(in_memory, with_bad('train', 17)))
    with pytest.raises(NotFiniteData, match='sample 17, '):
        runs.train_briefly(here, (1,), [3, 4], **BRIEF)


@pytest.mark.parametrize('bad', [0, 17, 55])
@pytest.mark.parametrize('is_read', [False, True])
def test_a_model_that_copes_with_such_data_may_diverge_all_the_same(bad, is_read):
    splits = [Noisy(bad) for _ in NAMES]
    here = workspace(splits if is_read else map(in_memory, splits), Coping)
    assert (full(here)['diverged'], full(here)['flags']) == (False, '')
    done = full(here, DIVERGING)
    assert (done['diverged'], done['flags']) == (True, 'training_diverged evaluation_diverged')


def test_a_batch_that_is_made_by_the_users_function_is_named_by_its_samples():
    def transposed(items):
        inputs, targets = map(torch.stack, zip(*items, strict=True))
        return inputs.T.contiguous(), targets

    class Back(nn.Linear):
        def forward(self, inputs):
            return super().forward(inputs.T)

    here = workspace(
        [DataLoader(one, collate_fn=transposed) for one in with_bad('val', 3)], lambda _: Back(4, 2)
    )
    with pytest.raises(NotFiniteData, match=r'in the batch of the samples 0, 1, 2, 3, 4 … \(56 in all\)'):
        full(here)


def test_looking_for_the_reason_draws_no_random_numbers():
    class Drawing(Coping):
        def forward(self, inputs):
            return super().forward(inputs) + 1e-3 * torch.randn(len(inputs), 2)

    found = [full(workspace(map(in_memory, [Noisy(bad)] * 3), Drawing))['scores'] for bad in (None, 17)]
    assert found[0].keys() == found[1].keys() and all(map(math.isfinite, found[1].values()))


# Training and evaluation


class Odd(nn.Linear):
    """Its loss ceases to be finite after some steps, in training or in evaluation, its weights do not."""

    def __init__(self, in_training, in_evaluation):
        super().__init__(4, 2)
        self.modes = {True: in_training, False: in_evaluation}
        self.register_buffer('steps', torch.zeros(()))

    def forward(self, inputs):
        if self.training:
            self.steps += 1
        limit = 2 if self.modes[self.training] else 1e9
        return super().forward(inputs) + torch.where(self.steps > limit, math.nan, 0.0)


def loss():
    def criterion(output, target):  # whose gradient is that of finite outputs
        return nn.functional.mse_loss(torch.nan_to_num(output), target) + 0 * output.detach().sum()

    return criterion


@pytest.mark.parametrize('step', ['auto', 'eager'])
@pytest.mark.parametrize(
    ('in_training', 'in_evaluation', 'flags'),
    [
        (False, False, ''),
        (True, False, 'training_diverged'),
        (False, True, 'evaluation_diverged'),
        (True, True, 'training_diverged evaluation_diverged'),
    ],
)
def test_training_evaluation_and_both_are_told_apart(in_training, in_evaluation, flags, step):
    data = [in_memory(Noisy())] * 3
    here = workspace(data, lambda _: Odd(in_training, in_evaluation), step, loss)
    assert brief(here).get('flags', '') == flags
    done = full(here)
    assert done['flags'] == flags
    assert done['diverged'] == in_training
    is_finite = {name: math.isfinite(value) for name, value in done['scores'].items()}
    assert set(is_finite.values()) == ({True} if not flags else {False, True})  # losses are, 0 is


def test_weights_that_the_last_update_took_to_infinity_are_no_matter_of_evaluation():
    one_step = TrainingPlan(lr_min=1e25, lr_max=1e25, batch_size=SAMPLES, epochs=1, cycle_size_epochs=1)
    done = full(
        workspace([in_memory(Noisy())] * 3, lambda _: nn.Sequential(nn.Linear(4, 9), nn.Linear(9, 2))),
        one_step,
    )
    assert (done['diverged'], done['flags']) == (True, 'training_diverged evaluation_diverged')


STATISTICS = """
class Scaled(torch.nn.Linear):
    def __init__(self):
        super().__init__(4, 2)
        self.register_buffer('variance', torch.ones(2))

    def forward(self, inputs):
        if self.training:
            self.variance.sub_({less}).clamp_(min=0)
            return super().forward(inputs)
        return super().forward(inputs) / self.variance

def model(width):
    record(width)
    return Scaled()
"""


@pytest.mark.parametrize('step', ['auto', 'eager', 'lanes'])
def test_a_model_that_is_nan_only_in_evaluation_fails_for_that_reason(
    step, write_problem, sweep_inline, tmp_path
):
    problem = write_problem(model=STATISTICS.format(less=0.5))
    with pytest.warns(PointFailedWarning):
        results = sweep_inline(problem.path, FixedSweep([((4,), 1)]), tmp_path / 'out', step=step)
    [failure] = results.failures
    assert failure.error.kind == 'EvaluationDiverged'
    assert 'finite in training mode, and NaN or infinite in evaluation mode' in failure.error.message
    assert 'diverged' not in failure.error.message


def test_a_trial_that_is_nan_only_in_evaluation_is_flagged_and_not_comparable(
    write_problem, sweep_inline, tmp_path, tiny
):
    data = """
def dataset():
    inputs = torch.randn(296, 4, generator=torch.Generator().manual_seed(0))
    data = TensorDataset(inputs, (inputs[:, 0] > 0).long())
    return Subset(data, range(264)), Subset(data, range(264, 296))
"""
    # Tuning takes fewer than 12 steps, a trial more.
    problem = write_problem(model=STATISTICS.format(less=1 / 12), dataset=data)
    brief = tiny.replace(tuning_budget=3.4)
    results = sweep_inline(problem.path, FixedSweep([((4,), 1)]), tmp_path / 'out', hparams=brief)
    assert 'evaluation_diverged' in results.flags[4,] and 'trial_diverged' not in results.flags[4,]
    assert 'evaluation_diverged' in exclusions(results.flags[4,])
    written = json.loads((tmp_path / 'out/points/0/trials/0/result.json').read_text())
    assert (written['flags'], written['diverged']) == ('evaluation_diverged', False)


def test_a_trial_without_flags_is_written_without_them(write_problem, sweep_inline, tmp_path):
    sweep_inline(write_problem().path, FixedSweep([((4,), 1)]), tmp_path / 'out')
    assert 'flags' not in json.loads((tmp_path / 'out/points/0/trials/0/result.json').read_text())


# Outputs that leave [0, 1]

LEAVING = """
class Leaving(torch.nn.Linear):
    def __init__(self):
        super().__init__(4, 2)
        torch.nn.init.zeros_(self.weight)
        torch.nn.init.constant_(self.bias, 0.5)

def model(width):
    record(width)
    return Leaving()
"""
MULTI_HOT = """
def dataset():
    inputs = torch.randn(96, 4, generator=torch.Generator().manual_seed(0))
    data = TensorDataset(inputs, (inputs[:, :2] > 0).float())
    return Subset(data, range(64)), Subset(data, range(64, 96))
"""
OWN = """
def loss():
    return lambda output, y: torch.nn.functional.binary_cross_entropy_with_logits({}, y)
"""


@pytest.mark.parametrize('step', ['auto', 'eager', 'lanes'])
@pytest.mark.parametrize(
    ('ending', 'output', 'flags'),
    [
        ('', '9 * output', ['threshold_unsure']),
        ('threshold = 0', '9 * output', []),
        ('', 'output.clamp(0, 1)', []),
    ],
    ids=['logits', 'logits, said', 'probabilities'],
)
def test_outputs_that_leave_0_to_1_only_in_training_are_flagged(
    ending, output, flags, step, write_problem, sweep_inline, tmp_path
):
    model = (
        LEAVING
        if '9' in output
        else LEAVING.replace('return Leaving()', 'return torch.nn.Sequential(Leaving(), torch.nn.Sigmoid())')
    )
    problem = write_problem(
        dataset=MULTI_HOT, model=model, loss=OWN.format(output), ending=ending,
        accuracy_style="accuracy_style = 'multiclass'",
    )  # fmt: skip
    results = sweep_inline(problem.path, FixedSweep([((4,), 2)]), tmp_path / 'out', step=step)
    assert [flag for flag in results.flags.get((4,), []) if flag == 'threshold_unsure'] == flags
