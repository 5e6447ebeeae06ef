"""A model keeps within limits or not, by numbers that one counts by hand, and none is trained for it."""

import math
import re

import pytest
import torch

from sweeper.errors import ProblemError
from sweeper.problem.reference import find_problem
from sweeper.seeding import run_seed
from sweeper.space.constraints import Limits
from sweeper.work import WorkerSpec, open_workspace
from tests.training.test_cost import COUNTED

HIDDEN = 1000
MLP = 'def model(width):\n    record(width)\n    return torch.nn.Sequential(torch.nn.Linear(4, width), {}torch.nn.Linear(width, 2))\n'  # noqa: E501
PARAMETERS = 4 * HIDDEN + HIDDEN + 2 * HIDDEN + 2


@pytest.fixture
def judge(write_problem):
    """Returns a function that says why a model is rejected: of a problem whose sections are given."""
    from sweeper.training.constraints import violation

    def check(limits=None, width=HIDDEN, **sections):
        reference = find_problem(write_problem(**sections).path)
        workspace = open_workspace(WorkerSpec(reference, 0, 'cpu'))
        with workspace.problem.using((width,), {}):
            return violation(workspace, (width,), run_seed(0, 'dry run', 0), Limits(**limits or {}))

    return check


@pytest.fixture
def numbers(judge):
    """Returns a function that says what is counted, by limits that nothing keeps within."""

    def count(name, **sections):
        reason = judge({name: 0.5}, **sections)
        return int(re.match(r'[\d,]+', reason)[0].replace(',', ''))

    return count


@pytest.mark.parametrize('layer', ['torch.nn.ReLU(), ', 'torch.nn.BatchNorm1d(width), '])
def test_parameters_are_all_numbers_that_a_model_has(layer, numbers):
    normalised = 2 * HIDDEN * ('Norm' in layer)
    assert numbers('parameters', model=MLP.format(layer)) == PARAMETERS + normalised


def test_what_is_at_its_limit_is_not_rejected(judge):
    model = MLP.format('torch.nn.ReLU(), ')
    assert judge({'parameters': PARAMETERS}, model=model) is None
    assert judge({'parameters': PARAMETERS - 1}, model=model) is not None
    flops = 2 * (4 * HIDDEN + 2 * HIDDEN)
    assert judge({'flops': flops}, model=model) is None
    assert judge({'flops': flops - 1}, model=model) is not None


def test_memory_is_weights_and_gradients_and_what_is_kept_for_the_backward_pass(numbers):
    kept = 4 + HIDDEN  # inputs, and what the activation gives, which is its layer's and the next one's
    of_loss = 2 + 2  # logarithms of probabilities; and the label, 8 bytes
    total = 4 * (2 * PARAMETERS + kept + of_loss)
    assert abs(numbers('memory', model=MLP.format('torch.nn.ReLU(), ')) - total) <= 4


@pytest.mark.parametrize('kind', ['lstm', 'gru', 'rnn', 'both ways', 'attention', 'transformer'])
def test_on_the_meta_device_operations_are_those_counted_by_hand(kind):
    from sweeper.training.constraints import _MetaSplit
    from sweeper.training.cost import model_cost
    from tests.training.test_cost import split

    make, shape, flops = COUNTED[kind]
    with torch.device('meta'):
        model = make()
    if kind == 'lstm':
        assert all(parameter.is_meta for parameter in model.parameters())
    assert model_cost(model, _MetaSplit(split(shape))).flops == flops


def test_no_weights_are_allocated(judge):
    enormous = 10**12  # parameters: 28 TB
    assert judge({'parameters': 1e6}, width=enormous, model=MLP.format('')) is not None


@pytest.mark.parametrize(
    'look',
    [
        '',
        'assert float(net[0].weight.detach().abs().sum()) > 0\n    ',
        'net[0].weight.detach().numpy()\n    ',
    ],
)
def test_a_model_that_looks_at_values_is_counted_as_it_is(look, numbers):
    model = (
        'def model(width):\n'
        '    net = torch.nn.Sequential(torch.nn.Linear(4, width), torch.nn.Linear(width, 2))\n'
        f'    {look}return net\n'
    )
    assert numbers('parameters', model=model) == PARAMETERS


def test_lazy_layers_have_the_sizes_that_a_sample_gives_them(numbers, judge):
    layers = 'torch.nn.LazyLinear(width), torch.nn.LazyLinear(2)'
    model = f'def model(width):\n    return torch.nn.Sequential({layers})\n'
    assert numbers('parameters', model=model) == PARAMETERS
    assert judge({'parameters': PARAMETERS, 'flops': 1e9, 'memory': 10**9}, model=model) is None


@pytest.mark.parametrize(
    ('limits', 'reason'),
    [({'flops': 1e9}, 'its FLOPs cannot be told: there is no formula for'), ({'parameters': 1e9}, None)],
)
def test_what_cannot_be_told_exceeds_its_limit_and_no_other(limits, reason, judge):
    model = """
class Own(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 2)

    def forward(self, x):
        return self.linear(x) + torch.linalg.matrix_exp(torch.eye(2)).sum()

def model(width):
    return Own()
"""
    given = judge(limits, model=model)
    assert given is None if reason is None else given.startswith(reason)


def test_a_forward_pass_that_takes_too_long_is_measured(judge):
    model = MLP.format('torch.nn.ReLU(), ')
    assert judge({'latency': 100.0}, model=model) is None
    assert judge({'latency': 1e-9}, model=model).endswith('the limit is 1e-06 ms per sample')


@pytest.mark.parametrize(
    ('answer', 'reason'),
    [
        ('sum(p.numel() for p in model.parameters()) < 10**6', None),
        ('sum(p.numel() for p in model.parameters()) < 10', 'constraint(model) returned False'),
        ("'too wide' if model[0].out_features > 8 else True", 'too wide'),
        ('bool(model[0].weight.detach().abs().sum() > 0)', None),  # not on the meta device
    ],
)
def test_a_problem_may_have_a_constraint_of_its_own(answer, reason, judge):
    ending = f'def constraint(model):\n    return {answer}\n'
    assert judge(model=MLP.format('torch.nn.ReLU(), '), ending=ending) == reason


@pytest.mark.parametrize(
    ('body', 'message'),
    [
        ('pass', 'returned None: it must return True'),
        ('return 1', 'returned 1: it must'),
        ("return ''", "returned '': it must"),
        ("raise KeyError('depth')", "raised KeyError: 'depth'"),
    ],
)
def test_a_constraint_that_answers_nothing_is_a_fault_of_the_problem(body, message, judge):
    with pytest.raises(ProblemError, match=re.escape(message)):
        judge(ending=f'def constraint(model):\n    {body}\n')


def test_a_model_that_cannot_be_built_is_no_question_of_limits(judge):
    with pytest.raises(ZeroDivisionError):
        judge({'parameters': math.inf}, model='def model(width):\n    return 1 / 0\n')


def test_a_constraint_takes_the_model(refused):
    refused('def constraint():\n    return True\n', 'constraint')
