"""What is done with each parameter, and where the code declares it."""

from sweeper import FixedSweep
from sweeper.points import NamedPoint
from sweeper.report.parameters import parameters
from sweeper.store.store import Store

from .conftest import DECLARED


def told(findings):
    return {one.name: (one.role, one.place, one.is_tuned) for one in findings.parameters}


def test_parameters_are_compared_or_alike_or_tuned_and_declared_or_arguments(declared):
    assert told(declared) == {
        'width': ('compared', 'layers.py:18', False),
        'depth': ('the same for all', 'argument of model()', False),
        'momentum': ('tuned for each architecture', 'cnn.py:30 (+2 more)', True),
    }
    assert declared.nuisance == ['momentum']
    width, depth, _ = (parameter.to_dict() for parameter in declared.parameters)
    assert width['default'] == '8' and width['places'] == ['layers.py:18'] and width['is_declared']
    assert depth['default'] is None and depth['places'] == [] and not depth['is_declared']


def test_a_nuisance_parameter_that_some_points_fix_is_both(write_sweep):
    free, fixed = NamedPoint(width=4), NamedPoint(width=4, momentum=0.5)
    values = {free: {'momentum': 0.9}}
    findings = write_sweep({free: [0.5], fixed: [0.6]}, nuisance=values, declared=DECLARED)
    assert told(findings)['momentum'] == (
        'compared where it is set, else tuned for each architecture', 'cnn.py:30 (+2 more)', True,
    )  # fmt: skip


def test_names_of_arguments_are_not_taken_for_what_is_declared(write_sweep):
    declared = {'hidden': {'role': 'fixed', 'default': '1', 'places': ['other.py:1']}}
    findings = write_sweep({(16, 'relu'): [0.5]}, declared=declared)
    assert told(findings)['hidden'] == ('the same for all', 'argument of model()', False)


def test_a_sweep_keeps_what_its_problem_declares(write_problem, sweep_inline, tmp_path):
    problem = write_problem(
        imports="""
from pathlib import Path

import torch
from torch.utils.data import Subset, TensorDataset

from sweeper.m import _
""",
        model="""
def model():
    width = _('width', 3, choices=[3, 4])
    return torch.nn.Sequential(torch.nn.Linear(4, width), torch.nn.Linear(_('width'), 2))
""",
        optimizer="""
def optimizer(parameters, lr):
    return torch.optim.SGD(parameters, lr, momentum=_('momentum', 0.0, range=(0.0, 0.9), role='nuisance'))
""",
    )
    results = sweep_inline(problem.path, FixedSweep([(NamedPoint(width=4), 1)]), tmp_path / 'out')
    store = Store.read(tmp_path / 'out')
    lines = problem.text.splitlines()
    where = [f'{problem.path.name}:{row}' for row, line in enumerate(lines, 1) if "_('width'" in line]
    assert store.manifest.declared['width'] == {'role': 'scientific', 'default': '3', 'places': where}
    assert store.manifest.declared['momentum']['role'] == 'nuisance'
    cells = [store.parameter_cells(point) for point in store.points]
    assert [(one.name, one.place) for one in parameters(store, cells)] == [
        ('width', f'{where[0]} (+1 more)'), ('momentum', store.manifest.declared['momentum']['places'][0]),
    ]  # fmt: skip
    assert (
        results.nuisance
        == store.results().nuisance
        == {store.points[0]: dict(store.tuned(store.points[0]).nuisance)}
    )
    assert 0.0 <= results.nuisance[store.points[0]]['momentum'] <= 0.9


def test_a_problem_that_declares_nothing_says_so(write_problem, sweep_inline, tmp_path):
    sweep_inline(write_problem().path, FixedSweep([((3,), 0)]), tmp_path / 'out')
    assert Store.read(tmp_path / 'out').manifest.declared == {}
