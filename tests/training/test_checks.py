"""What can be wrong with a problem is refused by `sweep` before a model is built; what is right is not."""

import dataclasses
import os

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset

from sweeper import FixedSweep, SweepError
from sweeper.errors import ProblemError
from sweeper.problem.problem import Problem
from sweeper.training.checking.checks import check_problem

POINTS = [(4,), (5,)]

DATASET = """
from torch.utils.data import DataLoader, Dataset, IterableDataset

class Items(Dataset):
    def __init__(self, item, size=8):
        self.item, self.size = item, size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return self.item(index)

class Collating(Items):
    def collate_fn(self, items):
        return items

class OwnLoader(DataLoader):
    def __iter__(self):
        for inputs, targets in super().__iter__():
            yield inputs + 1, targets

class Stream(IterableDataset):
    def __iter__(self):
        return iter([(torch.ones(4), 0)])

class SizedStream(Stream):
    def __len__(self):
        return 3

def dataset():
    inputs = torch.ones(64, 4)
    targets = torch.arange(64) % 2
    good = TensorDataset(inputs, targets)
    return {}
"""

BAD_SECTIONS = {
    'no model': ({'model': ''}, ['no model', 'model, dataset, loss, accuracy_style']),
    'no dataset': ({'dataset': ''}, ['no dataset', 'model, dataset, loss, accuracy_style']),
    'no loss': ({'loss': ''}, ['no loss', 'model, dataset, loss, accuracy_style']),
    'no style': ({'accuracy_style': ''}, ['no accuracy_style', 'model, dataset, loss, accuracy_style']),
    'model not callable': ({'model': 'model = 5'}, ['model of', 'must be callable', 'got 5']),
    'dataset not callable': ({'dataset': 'dataset = (1, 2)'}, ['dataset of', 'must be callable', '(1, 2)']),
    'loss not callable': ({'loss': "loss = 'mse'"}, ['loss of', 'must be callable', "'mse'"]),
    'optimizer not callable': ({'optimizer': "optimizer = 'sgd'"}, ['optimizer of', 'callable', "'sgd'"]),
    'unknown style': (
        {'accuracy_style': "accuracy_style = 'top-1'"},
        ["'top-1'", 'classification, multiclass, inv-loss'],
    ),
    'style of wrong type': ({'accuracy_style': 'accuracy_style = []'}, ['[]', 'multiclass, inv-loss']),
    'loss is a criterion': (
        {'loss': 'loss = torch.nn.CrossEntropyLoss()'},
        ['CrossEntropyLoss()', 'no parentheses'],
    ),
    'loss is a function of outputs': (
        {'loss': 'loss = torch.nn.functional.cross_entropy'},
        ['loss(', 'must take ()'],
    ),
    'loss needs arguments': ({'loss': 'def loss(weight): 5'}, ['loss(weight)', 'must take ()', "'weight'"]),
    'loss returns nothing': ({'loss': 'def loss(): pass'}, ['loss()', 'got None', '(output, target)']),
    'loss raises': ({'loss': 'def loss(): 1 / 0'}, ['loss()', 'ZeroDivisionError']),
    'optimizer takes too few': (
        {'optimizer': 'def optimizer(parameters): pass'},
        ['optimizer(parameters)', '(parameters, lr)'],
    ),
    'optimizer takes too many': (
        {'optimizer': 'def optimizer(parameters, lr, momentum): pass'},
        ['optimizer(parameters, lr, momentum)', '(parameters, lr)', "'momentum'"],
    ),
    'syntax error': ({'model': 'def model(:'}, ['cannot import', 'SyntaxError', 'line']),
    'import error': ({'imports': 'import no_such_package'}, ['cannot import', "'no_such_package'"]),
    'import of a missing name': ({'imports': 'from math import sine'}, ['cannot import', "'sine'"]),
    'raises at import': ({'imports': "raise ValueError('boom')"}, ['cannot import', 'ValueError: boom']),
    'exits at import': ({'imports': 'import sys; sys.exit(3)'}, ['cannot import', 'SystemExit: 3']),
}  # fmt: skip

BAD_DATASETS = {
    'nothing': ('None', ['(train, val) or (train, val, test)', 'got None']),
    'a sampler': (
        '(DataLoader(good, sampler=torch.utils.data.SubsetRandomSampler([1, 2])), good)',
        ['train', 'SubsetRandomSampler', 'ignored', 'Subset'],
    ),
    'a sampler with replacement': (
        '(good, DataLoader(good, sampler=torch.utils.data.RandomSampler(good, replacement=True)))',
        ['val', 'RandomSampler', 'ignored'],
    ),
    'a sampler of batches': (
        '(DataLoader(good, batch_sampler=[[1, 2], [3]]), good)',
        ['train', 'list', 'ignored'],
    ),
    'a loader that drops samples': (
        '(DataLoader(good, batch_size=7, drop_last=True), good)',
        ['train', 'drop_last=True', 'ignored'],
    ),
    'a weighted sampler': (
        '(DataLoader(good, sampler=torch.utils.data.WeightedRandomSampler(torch.ones(64), 64)), good)',
        ['train', 'WeightedRandomSampler', 'ignored', 'weight classes in the loss'],
    ),
    'a weighted sampler in one of batches': (
        '(DataLoader(good, batch_sampler=torch.utils.data.BatchSampler('
        'torch.utils.data.WeightedRandomSampler(torch.ones(64), 64), 4, False)), good)',
        ['train', 'WeightedRandomSampler', 'ignored'],
    ),
    'a sampler of batches that drops samples': (
        '(DataLoader(good, batch_sampler=torch.utils.data.BatchSampler(range(64), 7, True)), good)',
        ['train', 'range', 'ignored'],
    ),
    'batches that drop samples': (
        '(DataLoader(good, batch_sampler=torch.utils.data.BatchSampler('
        'torch.utils.data.SequentialSampler(good), 7, True)), good)',
        ['train', 'drop_last=True', 'ignored'],
    ),
    'a distributed sampler': (
        '(DataLoader(good, sampler=torch.utils.data.DistributedSampler(good, 2, 0)), good)',
        ['train', 'DistributedSampler', 'ignored', 'Leave it out'],
    ),
    'a sampler of fewer': (
        '(DataLoader(good, sampler=torch.utils.data.SequentialSampler(range(10))), good)',
        ['train', 'SequentialSampler', 'ignored', 'Subset'],
    ),
    'items that are batches': (
        '(DataLoader(good, batch_size=None), good)',
        ['train', 'batch_size=None', 'ignored', 'single samples'],
    ),
    'a loader with a generator': (
        '(good, DataLoader(good, shuffle=True, generator=torch.Generator()))',
        ['val', 'a generator', 'ignored', "the sweep's seed"],
    ),
    'a loader that makes batches by itself': (
        '(OwnLoader(good), good)',
        ['train', '__iter__ of its own (OwnLoader)', 'ignored', 'collate_fn'],
    ),
    'one dataset': ('good', ['(train, val) or (train, val, test)', 'TensorDataset']),
    'a LightningDataModule': (
        '__import__("types").SimpleNamespace(train_dataloader=None)',
        ['(train, val)', 'adapters.lightning(module, data)'],
    ),
    'a dataset that makes batches by itself': (
        '(Collating(lambda i: (inputs[i], 0)), good)',
        ['train', 'collate_fn', 'ignored', 'DataLoader(data'],
    ),
    'a tuple of one': ('(good,)', ['(train, val) or (train, val, test)', 'got 1']),
    'a tuple of four': ('(good,) * 4', ['(train, val) or (train, val, test)', 'got 4']),
    'raises': ('1 / 0', ['dataset()', 'ZeroDivisionError']),
    'empty': ('(TensorDataset(inputs[:0], targets[:0]), good)', ['train dataset', 'empty']),
    'empty val': ('(good, [])', ['val dataset', 'empty']),
    'empty test': ('(good, good, Subset(good, []))', ['test dataset', 'empty']),
    'iterable-style': ('(Stream(), good)', ['train dataset', 'without a length (Stream)', 'def __len__']),
    'iterable-style in a loader': ('(good, DataLoader(Stream()))', ['val dataset', 'def __len__(self)']),
    'a stream in processes': ('(DataLoader(SizedStream(), num_workers=2), good)', ['num_workers=2']),
    'no dataset at all': ('(good, 5)', ['val dataset', 'map-style', 'got 5']),
    'length of wrong type': ('(Items(lambda i: 0, 1.5), good)', ['length of the train', 'float']),
    'items raise': ('(Items(lambda i: 1 / 0), good)', ['item 0', 'train', 'ZeroDivisionError']),
    'a later item raises': (
        '(Items(lambda i: (inputs[0], 0) if i < 5 else 1 / 0), good)',
        ['items of the train', 'ZeroDivisionError'],
    ),
    'index beyond the data': ('(good, Subset(good, [99]))', ['item 0', 'val', 'IndexError', '99']),
    'items are numbers': ('([1, 2, 3], good)', ['train', '(input, target)', 'item 0 is 1']),
    'items are tensors': ('(inputs, good)', ['train', '(input, target)', 'item 0 is tensor']),
    'items of one': ('(TensorDataset(inputs), good)', ['train', '(input, target)']),
    'items of three': ('(good, TensorDataset(inputs, inputs, inputs))', ['val', '(input, target)']),
    'items of different shapes': (
        '(Items(lambda i: (torch.ones(1 + i), 0)), good)',
        ['items of the train', 'cannot be put into batches', '[1]', '[2]'],
    ),
    'inputs are texts': (
        "(Items(lambda i: ('some text', 0)), good)",
        ['train', 'tensor', "'some text'", 'str'],
    ),
    'inputs are None': ('(Items(lambda i: (None, 0)), good)', ['train', 'tensors', 'None']),
    'inputs are objects': ('(good, Items(lambda i: (object(), 0)))', ['val', 'tensors', 'object']),
    'targets are texts': ("(Items(lambda i: (inputs[0], 'cat')), good)", ['train', 'target', "'cat'"]),
    'targets are tuples': ('(Items(lambda i: (inputs[0], (1, 2))), good)', ['train', 'target', '(1, 2)']),
    'targets are None': ('(Items(lambda i: (inputs[0], None)), good)', ['train', 'tensors', 'None']),
    'float targets': (
        '(TensorDataset(inputs, targets.float()), good)',
        ['train', "'classification'", 'integers', 'torch.float32', '(64,)'],
    ),
    'soft targets': (
        '(good, TensorDataset(inputs, torch.full((64, 2), 0.5)))',
        ['val', "'classification'", 'one-hot', '[0.5, 0.5]'],
    ),
    'negative targets': (
        '(TensorDataset(inputs, targets - 3), good)',
        ['train', 'at least 0', '-3'],
    ),
    'NaN targets': (
        "(good, Items(lambda i: (inputs[0], float('nan'))))",
        ['targets of the val', 'NaN'],
    ),
    'index targets in a column': (
        '(TensorDataset(inputs, targets[:, None]), good)',
        ['train', '(64, 1)', 'last dimension'],
    ),
    'targets that stay on disk': (
        '(Items(lambda i: (torch.rand(4), i - 9), 500), good)',
        ['train', 'at least 0', '-9'],
    ),
}

BAD_MULTI_HOT = {
    'one-dimensional': (
        '(TensorDataset(inputs, targets), good)',
        ['train', "'multiclass'", 'multi-hot', '(64,)'],
    ),
    'counts': (
        '(TensorDataset(inputs, torch.full((64, 3), 2)), good)',
        ['train', 'multi-hot', '[2, 2, 2]'],
    ),
    'NaN': (
        "(TensorDataset(inputs, torch.full((64, 3), float('nan'))), good)",
        ['train', 'NaN'],
    ),
}


def assert_refused(problem, folder, sweep_inline, fragments):
    with pytest.raises(ProblemError) as caught:
        sweep_inline(problem.path, FixedSweep.with_fixed_trials(POINTS, 1), folder)
    missing = [fragment for fragment in fragments if fragment not in str(caught.value)]
    assert not missing, str(caught.value)
    assert problem.name in str(caught.value)
    assert problem.calls == []
    assert not folder.exists() or os.listdir(folder) == []


@pytest.mark.parametrize(('sections', 'fragments'), BAD_SECTIONS.values(), ids=BAD_SECTIONS)
def test_a_bad_module_is_refused(sections, fragments, write_problem, sweep_inline, tmp_path):
    assert_refused(write_problem(**sections), tmp_path / 'out', sweep_inline, fragments)


@pytest.mark.parametrize(('returned', 'fragments'), BAD_DATASETS.values(), ids=BAD_DATASETS)
def test_bad_data_is_refused(returned, fragments, write_problem, sweep_inline, tmp_path):
    problem = write_problem(dataset=DATASET.replace('{}', returned))
    assert_refused(problem, tmp_path / 'out', sweep_inline, fragments)


@pytest.mark.parametrize(('returned', 'fragments'), BAD_MULTI_HOT.values(), ids=BAD_MULTI_HOT)
def test_bad_multi_hot_targets_are_refused(returned, fragments, write_problem, sweep_inline, tmp_path):
    sections = {'dataset': DATASET.replace('{}', returned), 'accuracy_style': "accuracy_style = 'multiclass'"}
    assert_refused(write_problem(**sections), tmp_path / 'out', sweep_inline, fragments)


@pytest.mark.parametrize('name', ['no_such_module', 'no_such.module.at_all', '', '..relative', 5, None])
def test_a_name_of_no_module_is_refused(name, sweep_inline, tmp_path):
    with pytest.raises(ProblemError) as caught:
        sweep_inline(name, FixedSweep.with_fixed_trials(POINTS, 1), tmp_path / 'out')
    assert (name if name and isinstance(name, str) else repr(name)) in str(caught.value)
    assert not (tmp_path / 'out').exists()


def test_a_module_that_is_no_problem_is_refused(sweep_inline, tmp_path):
    with pytest.raises(SweepError, match='the problem json has no model, dataset, loss, accuracy_style'):
        sweep_inline('json', FixedSweep.with_fixed_trials(POINTS, 1), tmp_path / 'out')


@pytest.mark.parametrize('as_text', [str, lambda path: path])
def test_a_path_to_no_file_is_refused(as_text, sweep_inline, tmp_path):
    path = tmp_path / 'no_such_file.py'
    with pytest.raises(ProblemError, match=r'there is no file .*no_such_file\.py'):
        sweep_inline(as_text(path), FixedSweep.with_fixed_trials(POINTS, 1), tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


# What is right is accepted


class Items(Dataset):
    def __init__(self, item):
        self.item = item

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return self.item(index)


class Unsigned:
    """Callable as `optimizer(parameters, lr)`, without a signature that can be read."""

    __signature__ = 'none'

    def __call__(self, *_):
        raise AssertionError('not to be called')


INPUTS = torch.ones(6, 4)
GOOD = TensorDataset(INPUTS, torch.arange(6) % 2)
BASE = Problem('here', nn.Linear, nn.CrossEntropyLoss, 'classification', lambda: (GOOD, GOOD), None)


@pytest.mark.parametrize(
    ('style', 'dataset'),
    [
        ('classification', GOOD),
        ('classification', Subset(GOOD, [0, 1, 2, 3, 4, 5])),
        ('classification', TensorDataset(INPUTS, torch.eye(6))),
        ('classification', TensorDataset(INPUTS, torch.eye(6).long())),
        ('classification', TensorDataset(INPUTS, torch.randint(5, (6, 3, 3)))),
        ('classification', TensorDataset(INPUTS, torch.tensor([0, 1, -100, 0, 1, -100]))),
        ('classification', DataLoader(GOOD, batch_size=4, shuffle=True)),
        ('classification', [(torch.ones(2), 3)] * 6),
        ('classification', Items(lambda i: (np.ones(2), i))),
        ('classification', Items(lambda i: ({'a': torch.rand(2)}, i))),
        ('multiclass', TensorDataset(INPUTS, torch.randint(2, (6, 3)).float())),
        ('multiclass', TensorDataset(INPUTS, torch.randint(2, (6, 1)))),
        ('inv-loss', TensorDataset(INPUTS, INPUTS)),
        ('inv-loss', TensorDataset(INPUTS, -INPUTS[:, 0])),
        ('inv-loss', Items(lambda i: (i, i / 2))),
    ],
)
def test_good_data_of_any_kind_is_accepted(style, dataset):
    problem = dataclasses.replace(BASE, accuracy_style=style, load_datasets=lambda: (dataset, dataset))
    assert len(check_problem(problem, 0).train) == 6


@pytest.mark.parametrize('made', [(GOOD, GOOD), [GOOD, GOOD], (GOOD, GOOD, GOOD), [GOOD, GOOD, GOOD]])
def test_two_or_three_splits_are_accepted(made):
    assert len(check_problem(dataclasses.replace(BASE, load_datasets=lambda: made), 0).train) == 6


@pytest.mark.parametrize(
    'optimizer',
    [
        torch.optim.SGD,
        torch.optim.Adam,
        lambda parameters, lr: None,
        lambda p, learning_rate, momentum=0.9: None,
        lambda *arguments: None,
        Unsigned(),
    ],
)
def test_an_optimizer_that_takes_parameters_and_rate_is_accepted_and_not_called(optimizer):
    assert len(check_problem(dataclasses.replace(BASE, build_optimizer=optimizer), 0).train) == 6


@pytest.mark.parametrize(
    'loss', [nn.MSELoss, lambda: nn.functional.mse_loss, lambda weight=None: nn.MSELoss()]
)
def test_a_loss_that_needs_no_arguments_is_accepted(loss):
    assert len(check_problem(dataclasses.replace(BASE, build_criterion=loss), 0).train) == 6


def test_the_data_that_is_checked_is_what_the_workers_load():
    drawn = []

    def load():
        drawn.append((torch.rand(1).item(), np.random.rand()))
        return GOOD, GOOD

    problem = dataclasses.replace(BASE, load_datasets=load)
    check_problem(problem, 5), check_problem(problem, 5), check_problem(problem, 6)
    assert drawn[0] == drawn[1] != drawn[2]
