"""What goes wrong with a batch of any split is found by a dry run, before any training is paid for."""

import dataclasses
import os

import numpy as np
import pytest
import torch

from sweeper import FixedSweep, ParamSelector
from sweeper.errors import PointFailedWarning, ProblemError, ProblemWarning
from sweeper.problem.reference import find_problem
from sweeper.work import WorkerSpec, open_workspace

DATASET = """
NAN = float('nan')

def dataset():
    x = torch.randn(48, 4, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] > 0).long()
    good = TensorDataset(x, y)
    holed = x.clone()
    holed[41, 2] = NAN
    {}
"""
REGRESSION = {
    'accuracy_style': "accuracy_style = 'inv-loss'",
    'loss': 'loss = torch.nn.MSELoss',
    'model': 'def model(width):\n    record(width)\n    return torch.nn.Linear(4, 1)\n',
}
BCE = REGRESSION | {
    'accuracy_style': "accuracy_style = 'multiclass'",
    'loss': 'loss = torch.nn.BCEWithLogitsLoss',
}
OWN_LOSS = 'def loss():\n    return lambda output, target: ((output - target) ** 2).mean()\n'
ONLY_IN_EVALUATION = """
class Odd(torch.nn.Linear):
    def forward(self, x):
        return super().forward(x) if self.training else super().forward(x) * float('nan')

def model(width):
    record(width)
    return Odd(4, 2)
"""

OWN_METHOD = """
class Own(torch.nn.Linear):
    def {}(self, *_):
        raise AssertionError

def model(width):
    return Own(4, 2)
"""
OWN_LOSS_OF_MODEL = """
from types import SimpleNamespace

class Own(torch.nn.Linear):
    def forward(self, x):
        outputs = super().forward(x)
        return {}

def model(width):
    return Own(4, 2)
"""

CERTAIN = {
    'val items of another dtype': (
        {}, 'return good, TensorDataset(x.double(), y)',
        ['inputs of the val dataset', 'float64', 'inputs.to(torch.float32)'],
    ),
    'float64 inputs': ({}, 'return (TensorDataset(x.double(), y),) * 2', ['train', 'float64']),
    'int inputs': ({}, 'return (TensorDataset(x.long(), y),) * 2', ['train', 'int64', 'float32']),
    'uint8 inputs': ({}, 'return (TensorDataset(x.byte(), y),) * 2', ['train', 'uint8', 'float32']),
    'int32 labels': (
        {}, 'return good, good, TensorDataset(x, y.int())', ['test', 'int32', 'return targets.long()'],
    ),
    'bool labels': ({}, 'return (TensorDataset(x, y.bool()),) * 2', ['train', 'bool', 'targets.long()']),
    'labels without an output': (
        {}, 'y[40] = 2; return good, TensorDataset(x[:4], y[:4]), TensorDataset(x, y)',
        ['label 2', '2 outputs', '0 to 1'],
    ),
    'a label of val without an output': (
        {}, 'z = y.clone(); z[40] = 7; return good, TensorDataset(x, z)', ['val', 'label 7', '2 outputs'],
    ),
    'integer labels of a loss on floats': (
        BCE, 'return (TensorDataset(x, y[:, None]),) * 2', ['train', 'int64', 'targets.float()'],
    ),
    'only labels that are ignored in train': (
        {}, 'return TensorDataset(x, torch.full_like(y, -100)), good',
        ['every label of the train dataset', 'is -100', 'ignore_index', '0 by 0'],
    ),
    'only labels that are ignored in val': (
        {'loss': 'def loss():\n    return torch.nn.CrossEntropyLoss(ignore_index=1)'},
        'return good, TensorDataset(x, torch.ones_like(y))',
        ['every label of the val dataset', 'is 1', '0 by 0'],
    ),
    'weights of 0': (
        {'loss': 'def loss():\n    return torch.nn.CrossEntropyLoss(torch.zeros(2))'}, 'return good, good',
        ['class weights of the criterion (CrossEntropyLoss) are all 0: 0, 0'],
    ),
    'infinite weights': (
        {'loss': "def loss():\n    return torch.nn.CrossEntropyLoss(torch.tensor([1.0, float('inf')]))"},
        'return good, good', ['class weights', 'not all finite: 1, inf'],
    ),
    'no reduction': (
        {'loss': "def loss():\n    return torch.nn.CrossEntropyLoss(reduction='none')"},
        'return good, good', ['shape (n,)', "reduction='none'", '.mean()'],
    ),
    'a loss that is a number': (
        {'loss': 'def loss():\n    return lambda o, target: 0.5'}, 'return good, good', ['0.5', 'tensor'],
    ),
    'NaN in train': ({}, 'return TensorDataset(holed, y), good', ['train', 'NaN', '1 of 48', 'sample 41']),
    'NaN in val': ({}, 'return good, TensorDataset(holed, y)', ['val', 'NaN', '1 of 48', 'sample 41']),
    'NaN in test': ({}, 'return good, good, TensorDataset(holed, y)', ['test', 'NaN', 'sample 41']),
    'a loss that broadcasts': (
        REGRESSION, 'return (TensorDataset(x, x[:, 0]),) * 2', ['(n,)', '(n, 1)', 'squeeze(-1)', 'unsqueeze'],
    ),
    'a loss of ours that broadcasts': (
        REGRESSION | {'loss': OWN_LOSS}, 'return (TensorDataset(x, x[:, 0]),) * 2',
        ['(n,)', '(n, 1)', 'pairs every output with every target', 'output.squeeze(-1)'],
    ),
    'a loss that broadcasts over another dimension': (
        REGRESSION, 'return (TensorDataset(x, x[:, :3]),) * 2', ['train', '(n, 3)', '(n, 1)', 'target size'],
    ),
    'NaN in evaluation only': (
        {'model': ONLY_IN_EVALUATION}, 'return good, good', ['nan', 'evaluation mode', 'training mode'],
    ),
    'an absolute learning rate': (
        {'optimizer': 'def optimizer(p, lr):\n    return torch.optim.SGD(p, 0.01)'}, 'return good, good',
        ['group 0', '0.01', 'multiple of lr'],
    ),
    'an absolute learning rate of one group': (
        {'optimizer': 'def optimizer(p, lr):\n    groups = [{"params": p[:1]}, {"params": p[1:], "lr": 1}]\n'
                      '    return torch.optim.SGD(groups, lr)'},
        'return good, good', ['group 1', 'rate 1 for lr=1'],
    ),
    "an optimizer of another model's parameters": (
        {'optimizer': 'OTHER = torch.nn.Linear(4, 2)\n\ndef optimizer(p, lr):\n'
                      '    return torch.optim.Adam(OTHER.parameters(), lr)'},
        'return good, good', ['none of the model', 'pass on the parameters'],
    ),
    'logits of an own loss': (
        BCE | {'loss': 'def loss():\n    return lambda o, y: '
                       'torch.nn.functional.binary_cross_entropy_with_logits(2 * o, y)'},
        'return (TensorDataset(x, y[:, None].float()),) * 2', ['no probabilities', '`threshold = 0.0`'],
    ),
    'a scheduler of rates': (
        {'optimizer': 'def optimizer(p, lr):\n    made = torch.optim.SGD(p, lr)\n'
                      '    torch.optim.lr_scheduler.StepLR(made, 5)\n    return made'},
        'return good, good', ['makes a scheduler', 'ignored', "'cosine'", 'a factor of the tuned rate'],
    ),
    'a step that nobody calls': (
        {'model': OWN_METHOD.format('training_step')}, 'return good, good',
        ['with a training_step', 'ignored', 'step(model, batch)'],
    ),
    'optimizers that nobody asks for': (
        {'model': OWN_METHOD.format('configure_optimizers')}, 'return good, good',
        ['with configure_optimizers', 'ignored', 'plain SGD', 'optimizer(model, lr)'],
    ),
    'a loss in the output of a dict': (
        {'model': OWN_LOSS_OF_MODEL.format("{'logits': outputs, 'loss': outputs.square().mean()}"),
         'loss': "def loss():\n    return lambda o, y: torch.nn.functional.cross_entropy(o['logits'], y)",
         'accuracy_style': "accuracy_style = 'inv-loss'"},
        'return good, good', ['a dict with a loss of its own', 'ignored', 'leave labels out'],
    ),
    'a loss in the output of an object': (
        {'model': OWN_LOSS_OF_MODEL.format('SimpleNamespace(logits=outputs, loss=outputs.square().mean())'),
         'loss': 'def loss():\n    return lambda o, y: torch.nn.functional.cross_entropy(o.logits, y)',
         'accuracy_style': "accuracy_style = 'inv-loss'"},
        'return good, good', ['a SimpleNamespace with a loss', 'ignored', 'step(model, batch)'],
    ),
    'an output that is no tensor': (
        {'model': """
class Two(torch.nn.Linear):
    def forward(self, x):
        return {'logits': super().forward(x)}

def model(width):
    return Two(4, 2)
""", 'loss': "def loss():\n    return lambda o, y: torch.nn.functional.cross_entropy(o['logits'], y)"},
        'return good, good', ["returned {'logits': torch.float32", "'classification' needs a tensor"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(('sections', 'returned', 'fragments'), CERTAIN.values(), ids=CERTAIN)
def test_what_is_wrong_with_a_batch_of_any_split_is_said_before_training(
    sections, returned, fragments, write_problem, sweep_inline, tmp_path
):
    problem = write_problem(**{'dataset': DATASET.format(returned), **sections})
    with pytest.raises(ProblemError) as caught:
        sweep_inline(problem.path, FixedSweep.with_fixed_trials([(4,), (5,)], 1), tmp_path / 'out')
    missing = [fragment for fragment in fragments if fragment not in str(caught.value)]
    assert not missing, str(caught.value)
    assert not (tmp_path / 'out/points').exists() and not (tmp_path / 'out/sweep.json').exists()


@pytest.mark.slow
@pytest.mark.parametrize('executor', ['inline', 'local'])
def test_a_problem_that_is_mended_goes_on_in_the_same_folder(executor, write_problem, sweep_inline, tmp_path):
    problem = write_problem(dataset=DATASET.format('return good, TensorDataset(holed, y)'))
    selector = [((4,), 1)]
    with pytest.raises(ProblemError, match='NaN'):
        sweep_inline(problem.path, FixedSweep(selector), tmp_path / 'out', executor=executor)
    problem.path.write_text(problem.text.replace('holed, y)', 'x, y)'))
    assert len(sweep_inline(problem.path, FixedSweep(selector), tmp_path / 'out', executor=executor)) == 1


def test_a_threshold_can_be_said(write_problem, sweep_inline, tmp_path):
    own = 'def loss():\n    return lambda o, y: torch.nn.functional.binary_cross_entropy_with_logits(o, y)\n'
    data = DATASET.format('return (TensorDataset(x, y[:, None].float()),) * 2')
    perfs = []
    for number, sections in enumerate([{}, {'loss': own, 'ending': 'threshold = 0'}]):
        problem = write_problem(**{'dataset': data, **BCE, **sections})
        results = sweep_inline(problem.path, FixedSweep([((4,), 2)]), tmp_path / str(number))
        perfs.append(results[0].perf_val.tolist())
    assert perfs[0] == perfs[1]


@pytest.mark.parametrize('threshold', ["'high'", 'True', "float('nan')"])
def test_a_threshold_is_a_number(threshold, write_problem, sweep_inline, tmp_path):
    problem = write_problem(**BCE, ending=f'threshold = {threshold}')
    with pytest.raises(ProblemError, match='threshold of'):
        sweep_inline(problem.path, FixedSweep([((4,), 2)]), tmp_path / 'out')


OUTPUTS = {
    'a tuple': 'return out, x',
    'a dict': "return {'out': out}",
    'a named tuple': 'return Named(out, x)',
}


@pytest.mark.parametrize('returned', OUTPUTS.values(), ids=OUTPUTS)
@pytest.mark.parametrize('step', ['auto', 'lanes'])
def test_any_output_will_do_where_only_the_loss_is_needed(
    returned, step, write_problem, sweep_inline, tmp_path
):
    model = f"""
from typing import NamedTuple

class Named(NamedTuple):
    out: torch.Tensor
    rest: torch.Tensor

class Odd(torch.nn.Linear):
    def forward(self, x):
        out = super().forward(x)
        {returned}

def model(width):
    return Odd(4, 1)
"""
    loss = """
def loss():
    def first(output):
        return next(iter(output.values())) if isinstance(output, dict) else output[0]
    return lambda output, y: torch.nn.functional.mse_loss(first(output), y)
"""
    sections = REGRESSION | {'model': model, 'loss': loss}
    data = DATASET.format('return (TensorDataset(x, x[:, :1]),) * 2')
    plain = write_problem(**REGRESSION | {'dataset': data})
    problem = write_problem(**sections | {'dataset': data})
    results = [
        sweep_inline(one.path, FixedSweep([((4,), 1)]), tmp_path / one.name, step=step)[0].perf_val
        for one in (plain, problem)
    ]
    assert results[0] == pytest.approx(results[1], rel=1e-4)


@pytest.mark.parametrize('step', ['eager', 'captured', 'lanes'])
def test_a_criterion_that_does_not_take_nan_ends_a_run_and_not_its_point(
    step, write_problem, sweep_inline, tmp_path, tiny
):
    strict = """
def loss():
    def call(output, target):
        if not torch.isfinite(output).all():
            raise ValueError('the output is not finite')
        return torch.nn.functional.mse_loss(output, target)
    return call
"""
    data = DATASET.format('return (TensorDataset(x, x[:, :1]),) * 2')
    problem = write_problem(**REGRESSION | {'dataset': data, 'loss': strict})
    settings = dataclasses.replace(tiny, lr_start=1e-3, lr_end=1e9)
    results = sweep_inline(
        problem.path, FixedSweep([((4,), 1)]), tmp_path / 'out', hparams=settings, step=step
    )
    assert len(results) == 1


@pytest.mark.parametrize('step', ['eager', 'captured', 'lanes'])
def test_bce_loss_of_a_model_that_has_diverged_is_a_divergence(
    step, write_problem, sweep_inline, tmp_path, tiny
):
    model = """
class Overflowing(torch.nn.Linear):
    def forward(self, x):
        z = super().forward(x).exp()
        return z / (1 + z)

def model(width):
    return Overflowing(4, 1)
"""
    data = DATASET.format('return (TensorDataset(x, y[:, None].float()),) * 2')
    problem = write_problem(**BCE | {'dataset': data, 'model': model, 'loss': 'loss = torch.nn.BCELoss'})
    settings = dataclasses.replace(tiny, lr_start=1e-3, lr_end=1e9)
    results = sweep_inline(
        problem.path, FixedSweep([((4,), 1)]), tmp_path / 'out', hparams=settings, step=step
    )
    assert len(results) == 1
    curve = np.load(tmp_path / 'out/points/0/hparams/lr_vs_perf.npz')
    assert any(not np.isfinite(curve[name]).all() for name in curve.files), 'nothing diverged'


TRAINED = """
class Loss(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(5.0))

    def forward(self, output, target):
        return torch.nn.functional.mse_loss(self.scale * output, target) + self.scale ** 2

loss = Loss
"""


@pytest.mark.parametrize('step', ['auto', 'eager', 'captured', 'lanes'])
@pytest.mark.parametrize('optimizer', ['', 'def optimizer(p, lr):\n    return torch.optim.Adam(p, lr)\n'])
def test_parameters_of_a_criterion_are_trained(step, optimizer, write_problem):
    data = DATASET.format('return (TensorDataset(x, x[:, :1]),) * 2')
    problem = write_problem(**REGRESSION | {'dataset': data, 'loss': TRAINED, 'optimizer': optimizer})
    workspace = open_workspace(WorkerSpec(find_problem(problem.path), 0, 'cpu', step))
    batches = [torch.arange(8)] * 60
    training = workspace.set_up((4,), 1, batches)
    training.step.run(batches, [0.01] * 60)
    training.step.verify_last()
    scale = training.learners[0].objective.criterion.scale.item()
    assert scale < 4.9 and training.kind.kind == ('eager' if step == 'eager' else 'captured')
    again = open_workspace(WorkerSpec(find_problem(problem.path), 0, 'cpu', 'eager')).set_up((4,), 1, batches)
    again.step.run(batches, [0.01] * 60)
    assert again.learners[0].objective.criterion.scale.item() == pytest.approx(scale, rel=1e-5)


def test_a_criterion_that_is_the_same_in_every_run_is_trained_eagerly(write_problem):
    data = DATASET.format('return (TensorDataset(x, x[:, :1]),) * 2')
    loss = TRAINED.replace('loss = Loss', 'KEPT = Loss()\n\ndef loss():\n    return KEPT')
    problem = write_problem(**REGRESSION | {'dataset': data, 'loss': loss})
    workspace = open_workspace(WorkerSpec(find_problem(problem.path), 0, 'cpu', 'captured'))
    assert 'is the same in every run' in workspace.set_up((4,), 1, [torch.arange(8)] * 60).kind.reason


class OneByOne(ParamSelector):
    def __init__(self, points):
        self.left = list(points)

    def has_more_trials(self):
        return bool(self.left)

    def get_next_trials(self):
        return (self.left.pop(0), 1) if self.left else None


def test_the_first_proposal_of_an_adaptive_selector_is_tried(write_problem, sweep_inline, tmp_path):
    problem = write_problem(dataset=DATASET.format('return good, TensorDataset(holed, y)'))
    with pytest.raises(ProblemError, match='NaN'):
        sweep_inline(problem.path, OneByOne([(4,), (5,)]), tmp_path / 'out')


def test_a_first_point_that_cannot_be_trained_is_its_own_failure(write_problem, sweep_inline, tmp_path):
    problem = write_problem(
        model="""
def model(width):
    record(width)
    return torch.nn.Linear(4 if width == 5 else 3, 2)
"""
    )
    with pytest.warns(PointFailedWarning):
        results = sweep_inline(problem.path, FixedSweep([((4,), 1), ((5,), 1)]), tmp_path / 'out')
    assert [result.params for result in results] == [(5,)]


def test_points_that_all_fail_in_the_same_way_are_an_error_with_the_traceback(
    write_problem, sweep_inline, tmp_path
):
    problem = write_problem(model='def model(width):\n    record(width)\n    return torch.nn.Linear(3, 2)\n')
    with pytest.raises(ProblemError, match=r'no point can be trained: for all 3, such as \(4\)') as caught:
        sweep_inline(problem.path, FixedSweep([((w,), 1) for w in (4, 5, 6)]), tmp_path / 'out')
    assert 'shapes cannot be multiplied' in str(caught.value)
    assert 'Traceback' in str(caught.value) and '/sweeper/training/' not in str(caught.value)
    assert problem.calls == ['4', '5', '6']


def test_labels_that_all_have_weight_0_are_the_reason_of_a_failure(write_problem, sweep_inline, tmp_path):
    loss = 'def loss():\n    return torch.nn.CrossEntropyLoss(torch.tensor([0.0, 1.0]))'
    data = DATASET.format('return TensorDataset(x, torch.zeros_like(y)), good')
    problem = write_problem(dataset=data, loss=loss)
    with pytest.raises(ProblemError, match=r'has weight 0 in the criterion .*0 by 0: 0, 1'):
        sweep_inline(problem.path, FixedSweep([((4,), 1), ((5,), 1)]), tmp_path / 'out')


def test_nan_that_the_model_copes_with_is_warned_of(write_problem, sweep_inline, tmp_path):
    model = """
class Filled(torch.nn.Linear):
    def forward(self, x):
        return super().forward(torch.nan_to_num(x))

def model(width):
    return Filled(4, 2)
"""
    problem = write_problem(model=model, dataset=DATASET.format('return good, TensorDataset(holed, y)'))
    with pytest.warns(ProblemWarning, match='inputs of the val dataset .* sample 41') as warned:
        assert sweep_inline(problem.path, FixedSweep([((4,), 2)]), tmp_path / 'out')
    assert len([one for one in warned if one.category is ProblemWarning]) == 1


def test_a_finished_sweep_is_not_tried_again(write_problem, sweep_inline, tmp_path):
    problem = write_problem()
    sweep_inline(problem.path, FixedSweep([((4,), 1)]), tmp_path / 'out')
    calls = len(problem.calls)
    sweep_inline(problem.path, FixedSweep([((4,), 1)]), tmp_path / 'out')
    assert len(problem.calls) == calls


def test_a_dry_run_leaves_random_states_as_they_were(write_problem, sweep_inline, tmp_path):
    problem, state = write_problem(), torch.get_rng_state()
    sweep_inline(problem.path, FixedSweep([((4,), 1)]), tmp_path / 'out')
    assert torch.equal(torch.get_rng_state(), state)
    assert os.listdir(tmp_path / 'out')
