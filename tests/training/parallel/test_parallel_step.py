"""What two processes come to that train a model together: what one comes to, as far as that can be."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset, TensorDataset

from sweeper.errors import ProblemError
from sweeper.metric import Metric
from sweeper.problem.problem import Problem
from sweeper.training import runs
from sweeper.training.checkpoints.checkpoint import CheckpointPlan
from sweeper.training.data import as_split
from sweeper.training.scoring import evaluation
from sweeper.training.speed import measure_speed
from sweeper.training.workspace import Splits, Workspace

pytestmark = pytest.mark.slow

CPU = torch.device('cpu')
PLAN = runs.TrainingPlan(lr_min=0.02, lr_max=0.2, batch_size=9, epochs=3, cycle_size_epochs=1)
CLOSE = {'rtol': 1e-3, 'atol': 1e-4}


def mlp():
    return nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 3))


def normalised():
    return nn.Sequential(nn.Linear(6, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, 3))


def dropping():
    return nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Dropout(0.5), nn.Linear(9, 3))


class WithSpare(nn.Module):
    """A model of which a part is never used, with a buffer of truth values."""

    def __init__(self):
        super().__init__()
        self.used, self.spare = mlp(), nn.Linear(6, 6)
        self.register_buffer('mask', torch.tensor([True, False, True, True, True, True]))

    def forward(self, inputs):
        return self.used(inputs * self.mask)


class Scaled(nn.Module):
    """A criterion with a parameter of its own."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, outputs, targets):
        return nn.functional.cross_entropy(outputs * self.scale, targets) + 0.1 * self.scale**2


def own_step(model, batch):
    inputs, targets = batch
    hidden = model[1](model[0](inputs))  # around the model's own forward pass
    return nn.functional.cross_entropy(model[2](hidden), targets) + 1e-3 * hidden.square().mean()


def share_right(outputs, targets):
    return float((outputs.argmax(1) == targets).float().mean())


class ReadOneByOne(Dataset):
    def __init__(self, whole):
        self.whole = whole

    def __len__(self):
        return len(self.whole)

    def __getitem__(self, index):
        inputs, targets = self.whole[index]
        torch.rand(1)  # which counts as an augmentation
        return inputs, targets


def noisy(parameters, lr):
    class Noisy(torch.optim.SGD):
        def step(self, closure=None):
            super().step(closure)
            for group in self.param_groups:
                for parameter in group['params']:
                    parameter.data += 1e-3 * torch.randn_like(parameter)

    return Noisy(parameters, lr)


def lbfgs(parameters, lr):
    return torch.optim.LBFGS(parameters, lr * 0.1, max_iter=2)  # more of it magnifies rounding


CASES = {
    'plain': {},
    'momentum': {'optimizer': lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9, weight_decay=1e-3)},
    'adamw': {'optimizer': lambda p, lr: torch.optim.AdamW(p, lr * 0.1)},
    'clipped': {'clip_norm': 0.1},
    'in parts': {'accumulate': 3},
    'averaged': {'ema': 0.9},
    'own step': {'step': own_step},
    'a criterion that is trained': {'loss': Scaled},
    'an optimizer with a closure': {'optimizer': lbfgs},
    'a part that is not used': {'model': WithSpare},
    'a metric of the whole split': {'metrics': {'share': Metric(share_right, higher=True)}},
    'read item by item': {'reading': ReadOneByOne},
    'cosine': {'schedule': 'cosine'},
}
OF_THEIR_OWN = {
    'normalised': {'model': normalised},
    'normalised and averaged': {'model': normalised, 'ema': 0.9},
    'dropping': {'model': dropping},
    'in bfloat16': {'precision': 'bf16'},
}


def workspace(
    ranks=None, model=mlp, optimizer=None, loss=nn.CrossEntropyLoss, reading=None, samples=70, **options
):
    generator = torch.Generator().manual_seed(1)
    inputs = 3 * torch.randn(samples, 6, generator=generator)
    data = TensorDataset(inputs, torch.randint(3, (samples,), generator=generator))
    train = as_split(data if reading is None else reading(data), CPU)
    style = None if 'metrics' in options else 'classification'
    problem = Problem('here', model, loss, style, lambda: None, optimizer, **options)
    return Workspace(problem, Splits(train, as_split(data, CPU), None), CPU, 'auto', ranks=ranks)


def trial(ranks, case, plan=PLAN, folder=None):
    checkpoints = None if folder is None else CheckpointPlan(folder, 0.0, 'this')
    options = {**CASES, **OF_THEIR_OWN}[case]
    [done] = runs.train_fully(workspace(ranks, **options), (), [3], plan, 0, checkpoints)
    return {**done, 'seconds': 0.0}


def weights(done):
    return torch.load(io.BytesIO(done['model']), weights_only=True)


@pytest.mark.parametrize('case', CASES)
def test_two_processes_come_to_what_one_comes_to(in_both, case):
    alone = trial(None, case)
    first, second = in_both(trial, case)
    assert not alone['diverged']
    for done in (first, second):
        assert done['step'] == ('eager', '2 processes train it together', 1)
        assert done['model_init'] == alone['model_init']
        assert done['epochs'] == alone['epochs']
        for name, value in weights(alone).items():
            torch.testing.assert_close(weights(done)[name], value, **CLOSE)
        for name, values in alone['throughtime'].items():
            np.testing.assert_allclose(done['throughtime'][name], values, rtol=0.02, atol=0.03)
    assert first['model'] == second['model']


@pytest.mark.parametrize('batch_size', [1, 2, 3])
def test_batches_of_few_samples_are_trained_on_as_by_one(in_both, batch_size):
    plan = replace(PLAN, batch_size=batch_size, lr_max=0.05)
    alone, (first, _) = trial(None, 'plain', plan), in_both(trial, 'plain', plan)
    for name, value in weights(alone).items():
        torch.testing.assert_close(weights(first)[name], value, **CLOSE)


@pytest.mark.parametrize('case', OF_THEIR_OWN)
def test_a_run_is_the_same_to_the_byte_when_it_is_repeated(in_both, case):
    first, second = in_both(trial, case)
    again, _ = in_both(trial, case)
    assert first['model'] == second['model'] == again['model']
    assert first['scores'] == again['scores']


def test_a_normalisation_sees_the_share_of_a_process_as_with_accumulate(in_both):
    plan = replace(PLAN, batch_size=10)
    CASES['normalised in parts'] = {'model': normalised, 'accumulate': 2}
    try:
        in_parts = trial(None, 'normalised in parts', plan)
    finally:
        del CASES['normalised in parts']
    first, _ = in_both(trial, 'normalised', plan)
    for name in ('0.weight', '1.weight', '3.bias'):
        torch.testing.assert_close(weights(first)[name], weights(in_parts)[name], **CLOSE)


def masks(ranks):
    """The first dropout mask of a run, in each process."""
    training = workspace(ranks, **OF_THEIR_OWN['dropping']).set_up((), 3, [torch.arange(8)])
    return training.learners[0].model[2](torch.ones(1, 64)).ne(0).tolist()


def test_dropout_is_drawn_anew_in_each_process_and_in_the_first_as_by_one(in_both):
    first, second = in_both(masks)
    assert first != second
    assert first == masks(None)


def curve(ranks):
    [done] = runs.measure_curve(workspace(ranks), (), [3], np.geomspace(1e-3, 1, 12).tolist(), [8] * 12)
    return done['loss'], done['perf'], done['step']


def test_a_curve_is_measured_as_by_one(in_both):
    loss, perf, _ = curve(None)
    for measured_loss, measured_perf, step in in_both(curve):
        np.testing.assert_allclose(measured_loss, loss, rtol=1e-4)
        np.testing.assert_allclose(measured_perf, perf, rtol=1e-4)
        assert step.kind == 'eager'


def brief(ranks, lr):
    [done] = runs.train_briefly(workspace(ranks), (), [3], lr, 10 * lr, 8, 24, held_out=12, cycles=3)
    return {name: value for name, value in done.items() if name != 'step'}


def test_a_brief_training_is_scored_as_by_one(in_both):
    alone = brief(None, 0.02)
    for done in in_both(brief, 0.02):
        assert done.keys() == alone.keys() >= {'loss', 'perf', 'fit', 'losses'}
        for name, value in alone.items():
            np.testing.assert_allclose(done[name], value, rtol=1e-3)


def test_a_training_that_diverges_does_so_in_all_processes(in_both):
    for done in in_both(brief, 1e20):
        assert done['flags'] == brief(None, 1e20)['flags'] and done['loss'] == np.inf


def scores(ranks, case):
    """The scores of a model, and how many batches this process has scored."""
    here = workspace(ranks, **CASES[case])
    learner, scored = here.learner((), 3, False), []
    learner.model.register_forward_hook(lambda *_: scored.append(1))
    size, evaluation._EVALUATION_BATCH = evaluation._EVALUATION_BATCH, 16
    try:
        score = evaluation.evaluate(learner.model, here.splits.train, learner.objective, learner.score)
    finally:
        evaluation._EVALUATION_BATCH = size
    return score, len(scored)


@pytest.mark.parametrize(('case', 'batches'), [('plain', (3, 2)), ('a metric of the whole split', (5, 5))])
def test_a_split_is_scored_together_to_the_bit_as_by_one(in_both, case, batches):
    alone, _ = scores(None, case)
    assert in_both(scores, case) == [(alone, scored) for scored in batches]


def speed(ranks):
    return measure_speed(workspace(ranks), (), 3, 8)


def test_speed_is_measured_by_as_many_steps_in_all_processes(in_both):
    for measured in in_both(speed):
        assert measured.sample > 0


def patient(ranks):
    plan = replace(PLAN, epochs=12, patience=1, lr_max=0.5)
    [done] = runs.train_fully(workspace(ranks), (), [3], plan, 0)
    return done['epochs']


def test_a_trial_that_stalls_ends_at_the_same_time_in_all_processes(in_both):
    first, second = in_both(patient)
    assert first == second < 12


@pytest.mark.parametrize('case', ['momentum', 'averaged', 'normalised and averaged', 'dropping'])
def test_a_trial_goes_on_from_its_state_to_the_byte(in_both, case, tmp_path):
    whole, other = in_both(trial, case)
    in_both(trial, case, replace(PLAN, fraction=0.3), str(tmp_path / 'states'))
    assert [path.name for path in (tmp_path / 'states').iterdir()] == ['0.pt']
    counted = in_both(counting, case, str(tmp_path / 'states'))
    for (done, steps), expected in zip(counted, (whole, other), strict=True):
        assert steps == 2 * 8  # two of three epochs
        assert done['model'] == expected['model']
        assert done['scores'] == expected['scores']
        for name, values in expected['throughtime'].items():
            np.testing.assert_array_equal(done['throughtime'][name], values)


def counting(ranks, case, folder):
    """A trial, and how many steps it took."""
    from sweeper.training.parallel.step import DataParallelStep

    steps, run = [], DataParallelStep.run
    DataParallelStep.run = lambda self, batches, lrs: (steps.extend(batches), run(self, batches, lrs))[1]
    try:
        return trial(ranks, case, folder=folder), len(steps)
    finally:
        DataParallelStep.run = run


def trained_with_noise(ranks):
    runs.train_fully(workspace(ranks, optimizer=noisy), (), [3], PLAN, 0)


def test_processes_that_come_to_different_weights_are_an_error(in_both):
    with pytest.raises(ProblemError, match=r'different weights.*draws random numbers'):
        in_both(trained_with_noise)
