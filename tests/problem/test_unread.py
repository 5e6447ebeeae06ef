"""What a problem defines and nobody would read is an error; what is a script's own is not."""

import types

import pytest
import torch

from sweeper import ProblemError
from sweeper.problem.problem import OPTIONAL, load_problem
from sweeper.problem.reference import find_problem
from sweeper.problem.unread import KINDS, unread
from sweeper.training.checking.checks import check_problem

MISSPELT = {
    "schedual = 'cosine'": 'schedule',
    'scheduler = lambda progress: 1 - progress': 'schedule',
    'def optimiser(parameters, lr): return torch.optim.Adam(parameters, lr)': 'optimizer',
    'clipnorm = 1.0': 'clip_norm',
    'CLIP_NORM = 1': 'clip_norm',
    'max_grad_norm = 1.0': 'clip_norm',
    'acumulate = 4': 'accumulate',
    'gradient_accumulation_steps = 4': 'accumulate',
    'EMA = 0.99': 'ema',
    "precission = 'bf16'": 'precision',
    "metric = {'auc': 'auc'}": 'metrics',
    'def callback(): return []': 'callbacks',
    'def atach(engine, run): pass': 'attach',
    'def trian(run): pass': 'train',
    'def Step(model, batch): return 0': 'step',
    'def training_step(model, batch): return 0': 'step',
    'def predicts(model, batch): return 0': 'predict',
    'def selectors(): pass': 'selector',
    'treshold = 0.0': 'threshold',
}
OWN = [
    'steps = 1000',
    'losses = []',
    'def metric(a, b): return a - b',
    'clipnorm = 1.0\nprint(clipnorm)',
    "schedual = 'cosine'\ndef describe(): return schedual",
    "_schedual = 'cosine'",
    "schedual = 'cosine'\nschedule = schedual",
    'from torch.nn.utils import clip_grad_norm_ as clip_norms',
    'from torch.optim import Adam as optimiser',
    'class Steps:\n    def __init__(self, a, b): pass',
    'def train(model, loader, optimizer): pass',
    'def attack(model, inputs): pass',
    'samples = 5',
    'epochs, batch_size, lr = 10, 32, 0.1',
    'def trainer(model): pass',
]


@pytest.mark.parametrize('line', MISSPELT)
def test_a_name_that_is_nearly_that_of_an_option_and_unused_is_an_error(line, write_problem):
    name = line.removeprefix('def ').replace('(', ' ').split()[0]
    problem = load_problem(find_problem(write_problem(ending=line).path))
    with pytest.raises(ProblemError) as caught:
        check_problem(problem, 0)
    assert f'defines {name}, which would be ignored; did you mean {MISSPELT[line]}?' in str(caught.value)


def test_every_optional_name_is_known_to_the_check():
    assert {*OPTIONAL} <= {*KINDS}


@pytest.mark.parametrize('line', OWN)
def test_names_of_a_scripts_own_are_none_of_our_business(line, write_problem):
    problem = load_problem(find_problem(write_problem(ending=line).path))
    assert problem.unread == []


def test_a_name_like_one_that_is_missing_is_in_the_message(write_problem):
    problem = write_problem(loss='losses = torch.nn.CrossEntropyLoss')
    with pytest.raises(ProblemError, match=r"has no loss \(it has 'losses'\);"):
        load_problem(find_problem(problem.path))


def test_a_threshold_without_a_style_that_has_one_is_an_error(write_problem):
    problem = load_problem(find_problem(write_problem(ending='threshold = 0.3').path))
    with pytest.raises(ProblemError, match=r"defines threshold, which would be ignored.*'classification'"):
        check_problem(problem, 0)


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('accuracy_style', 'classification'),
        ('predict', lambda model, batch: batch),
        ('step', lambda model, batch: batch),
        ('precision', 'bf16'),
    ],
)
def test_what_scores_data_is_an_error_where_there_is_none(name, value):
    given = types.SimpleNamespace(model=torch.nn.Linear, train=lambda run: None, **{name: value})
    with pytest.raises(ProblemError, match=rf'defines {name} and no dataset\(\), so that {name} would be'):
        check_problem(load_problem(find_problem(given)), 0)


def test_a_misspelt_dataset_beside_a_loop_of_its_own_is_an_error():
    given = types.SimpleNamespace(model=torch.nn.Linear, train=lambda run: None, datasets=lambda: ())
    [fault] = unread(given, given, 'inv-loss', is_without_data=True)
    assert fault.startswith('datasets, which would be ignored; did you mean dataset?')
