"""Trained networks are looked into with the weights, the data and the classes of their sweep."""

import sys

import numpy as np
import pytest
import torch

from sweeper import FixedSweep
from sweeper.errors import ProblemError
from sweeper.points import NamedPoint, has_reference
from sweeper.problem.problem import Problem
from sweeper.problem.reference import find_problem, load_module
from sweeper.report.representations import labels_of, representations
from sweeper.store.store import Store

pytestmark = pytest.mark.slow


@pytest.fixture
def swept(write_problem, sweep_inline, tmp_path):
    """Sweeps a problem; returns its file and the folder, read."""

    def run(points=((3, 1), (5, 2)), trials=2, **sections):
        problem = write_problem(**sections)
        sweep_inline(problem.path, FixedSweep.with_fixed_trials(points, trials), tmp_path / 'out')
        return problem, Store.read(tmp_path / 'out')

    return run


def validation_inputs():
    """Those of the tiny problem."""
    return torch.randn(96, 4, generator=torch.Generator().manual_seed(0))[64:]


# What is seen


def test_layers_of_the_best_trial_are_seen_with_its_weights(swept):
    _, store = swept()
    found = representations(store, store.points)
    assert [one.point for one in found.points] == store.points and not found.failed
    inputs = validation_inputs()[found.samples]
    for one in found.points:
        trials = store.trials(one.point)
        assert one.perf_val == trials[one.trial].perf_val == max(t.perf_val for t in trials.values())
        assert [(layer.name, layer.kind) for layer in one.layers] == [
            ('input', 'data'), ('0', 'Linear'), ('1', 'ReLU'), ('2', 'Linear'),
        ]  # fmt: skip
        weights = torch.load(store.files(one.point).trial(one.trial).model, weights_only=True)
        hidden = inputs @ weights['0.weight'].T + weights['0.bias']
        for layer, values in zip(one.layers, (inputs, hidden, hidden.relu()), strict=False):
            centred = (values - values.mean(0)).double().numpy()
            _, lengths, directions = np.linalg.svd(centred, full_matrices=False)
            assert layer.shape == values.shape[1:]
            shares = lengths[:3] ** 2 / (lengths**2).sum()
            np.testing.assert_allclose(layer.explained[: len(shares)], shares, atol=1e-5)
            expected = np.abs(centred @ directions[0])
            np.testing.assert_allclose(np.abs(layer.coordinates[:, 0]), expected, atol=1e-4)


def test_samples_and_their_classes_belong_together(swept):
    _, store = swept(points=((3, 1),), trials=1)
    found = representations(store, store.points)
    np.testing.assert_array_equal(found.labels, validation_inputs()[found.samples, 0] > 0)
    assert found.are_classes and found.samples.tolist() == list(range(32))


def test_of_many_samples_the_same_few_are_seen(swept):
    _, store = swept(points=((3, 1),), trials=1)
    one, other = (representations(store, store.points, samples=10) for _ in range(2))
    assert len(one.samples) == 10 and (np.diff(one.samples) > 0).all()
    np.testing.assert_array_equal(one.samples, other.samples)
    for layer, same in zip(one.points[0].layers, other.points[0].layers, strict=True):
        assert layer.coordinates.shape == (10, 3)
        np.testing.assert_array_equal(layer.coordinates, same.coordinates)
    assert len(representations(store, store.points, samples=4).samples) == 3, 'an input has four values'


SPREADING = """
class Spread(torch.nn.Module):
    def forward(self, inputs):
        return inputs * torch.tensor([{factors}])

def model(width):
    return torch.nn.Sequential(Spread(), torch.nn.Linear(4, width), torch.nn.Linear(width, 2))
"""


def test_a_layer_with_one_unit_has_one_component(swept):
    _, store = swept(points=((1,),), trials=1, model=SPREADING.format(factors='1., 0., 0., 0.'))
    layers = {layer.name: layer for layer in representations(store, store.points).points[0].layers}
    for name in ('0', '1'):
        np.testing.assert_allclose(layers[name].explained, [1, 0, 0], atol=1e-6)
        assert (layers[name].coordinates[:, 1:] == 0).all()
    assert layers['1'].shape == (1,)


def test_a_layer_that_is_dead_or_not_finite_is_told(swept):
    dead = SPREADING.format(factors='0., 0., 0., 0.')
    _, store = swept(points=((3,),), trials=1, model=dead)
    (one,) = representations(store, store.points).points
    assert (one.layers[1].coordinates == 0).all() and (one.layers[1].explained == 0).all()
    files = store.files(store.points[0]).trial(one.trial)
    weights = torch.load(files.model, weights_only=True)
    torch.save({name: value * float('nan') for name, value in weights.items()}, files.model)
    (one,) = representations(store, store.points).points
    assert [layer.name for layer in one.layers] == ['input', '0']
    assert [(layer.name, layer.reason) for layer in one.skipped] == [
        ('1', 'its output is not finite'), ('2', 'its output is not finite'),
    ]  # fmt: skip


DECLARING = {
    'imports': """
from pathlib import Path

import torch
from torch.utils.data import Subset, TensorDataset

from sweeper.m import _
""",
    'model': """
class Scaled(torch.nn.Linear):
    def forward(self, inputs):
        return super().forward(inputs) * _('scale', 1.0)

def model():
    hidden = [Scaled(4, _('width', 2, choices=[2, 3])) for _layer in range(_('depth', 1, choices=[1, 2]))]
    torch.nn.init.constant_(hidden[0].bias, _('bias', 0.0, choices=[0.0, 5.0], role='nuisance'))
    return torch.nn.Sequential(hidden[0], torch.nn.Linear(_('width'), 2))
""",
}


def test_declared_parameters_have_the_values_of_the_sweep_in_the_model_and_when_it_runs(swept):
    points = (NamedPoint(width=3, scale=0.0), NamedPoint(width=2, scale=2.0))
    _, store = swept(points=points, trials=1, **DECLARING)
    assert all(store.tuned(point).nuisance['bias'] in (0.0, 5.0) for point in store.points)
    found = representations(store, store.points)
    assert not found.failed
    inputs = validation_inputs()[found.samples]
    for one, scale in zip(found.points, (0.0, 2.0), strict=True):
        weights = torch.load(store.files(one.point).trial(one.trial).model, weights_only=True)
        hidden = scale * (inputs @ weights['0.weight'].T + weights['0.bias'])
        variance = float((hidden - hidden.mean(0)).square().sum())
        layer = one.layers[1]
        assert layer.kind == 'Scaled' and layer.shape == (one.point['width'],)
        np.testing.assert_allclose((layer.coordinates**2).sum(), variance, rtol=1e-3)


def test_nuisance_parameters_have_what_was_tuned(swept, monkeypatch):
    _, store = swept(points=(NamedPoint(width=3),), trials=1, **DECLARING)
    (point,) = store.points
    asked = []
    using = Problem.using
    monkeypatch.setattr(Problem, 'using', lambda *given: asked.append(given[1:]) or using(*given))
    assert representations(store, store.points).points
    assert asked == [(point, store.tuned(point).nuisance)] and 'bias' in asked[0][1]


# What cannot be seen


def test_points_that_cannot_be_looked_into_are_named_and_the_others_seen(swept):
    _, store = swept(points=((3, 1), (5, 1), (7, 1)), trials=1)
    lost, other, fine = store.points
    store.files(lost).trial(0).model.unlink()
    weights = store.files(fine).trial(0).model
    store.files(other).trial(0).model.write_bytes(weights.read_bytes())
    found = representations(store, [*store.points, (9, 9)])
    assert [one.point for one in found.points] == [fine]
    reasons = dict(found.failed)
    assert 'weights of trial 0 are not there' in reasons[lost] and 'size mismatch' in reasons[other]
    assert reasons[9, 9] == 'it has no trial'


def test_a_problem_that_changed_is_refused_and_not_run(swept):
    problem, store = swept(points=((3, 1),), trials=1)
    problem.path.write_text(problem.text.replace('torch.nn.ReLU()', 'torch.nn.Tanh()') + '\nraise SystemExit')
    with pytest.raises(ProblemError, match=r'changed since the sweep: .*Run the sweep again'):
        representations(store, store.points)
    problem.path.unlink()
    with pytest.raises(ProblemError, match='there is no file'):
        representations(store, store.points)


def test_another_version_of_python_is_named_as_a_reason(swept):
    problem, store = swept(points=((3, 1),), trials=1)
    store.manifest.versions['python'] = '2.7'
    representations(store, store.points)
    problem.path.write_text(problem.text.replace('ReLU', 'Tanh'))
    with pytest.raises(ProblemError, match=r'used Python 2\.7, this is 3\.'):
        representations(store, store.points)


def test_data_that_changed_is_refused(swept):
    dataset = """
def dataset():
    size = int(Path(__file__).with_suffix('.size').read_text())
    data = TensorDataset(torch.randn(size, 4), torch.arange(size) % 2)
    return data, data
"""
    size = (
        "Path(__file__).with_suffix('.size').exists() or Path(__file__).with_suffix('.size').write_text('40')"
    )
    problem, store = swept(points=((3, 1),), trials=1, dataset=size + dataset)
    representations(store, store.points)
    problem.path.with_suffix('.size').write_text('41')
    with pytest.raises(ProblemError, match='41 training samples now, and had 40'):
        representations(store, store.points)


# Where the problem is


def test_a_problem_that_moved_can_be_named(swept, tmp_path):
    problem, store = swept(points=((3, 1),), trials=1)
    moved = problem.path.rename(tmp_path / 'sibling_moved.py')
    with pytest.raises(ProblemError):
        representations(store, store.points)
    assert representations(store, store.points, module_name=str(moved)).points


@pytest.mark.parametrize('inside', ['problem_inside', '__init__'])
def test_a_problem_in_a_package_is_found_by_its_path(write_problem, sweep_inline, tmp_path, inside):
    package = tmp_path / f'problem_package_{inside.strip("_")}'
    package.mkdir()
    package.joinpath('__init__.py').touch()
    package.joinpath('near.py').write_text('WIDTH = 4\n')
    imports = """
from pathlib import Path

import torch
from torch.utils.data import Subset, TensorDataset

from .near import WIDTH
"""
    model = 'def model(width, depth=1):\n    return torch.nn.Linear(WIDTH, 2)'
    problem = write_problem(imports=imports, model=model)
    problem.path.rename(package / f'{inside}.py')
    sys.path.insert(0, str(tmp_path))
    name = package.name if inside == '__init__' else f'{package.name}.{inside}'
    sweep_inline(name, FixedSweep.with_fixed_trials([(3, 1)], 1), tmp_path / 'out')
    sys.path.remove(str(tmp_path))
    for loaded in [one for one in sys.modules if one.startswith(package.name)]:
        del sys.modules[loaded]
    store = Store.read(tmp_path / 'out')
    assert representations(store, store.points).points
    package.joinpath('near.py').write_text('WIDTH = 5\n')
    for where in (None, name):
        with pytest.raises(ProblemError, match='changed'):
            representations(store, store.points, module_name=where)


def test_parameters_from_the_problems_module_are_found_again(write_problem, sweep_inline, tmp_path):
    problem = write_problem(
        model="""
class Wide(torch.nn.Linear):
    def __init__(self):
        super().__init__(4, 2)

def model(kind):
    return kind()
"""
    )
    point = (load_module(find_problem(problem.path)).Wide,)
    sweep_inline(problem.path, FixedSweep.with_fixed_trials([point], 1), tmp_path / 'out')
    del sys.modules[problem.name]
    store = Store.read(tmp_path / 'out')
    assert has_reference(store.points[0])
    (one,) = representations(store, store.points).points
    assert one.point == store.points[0] and one.layers[1].kind == 'Wide'


def test_nothing_of_this_process_is_changed(swept):
    switching = """
def model(width):
    torch.set_default_dtype(torch.float64)
    try:
        return torch.nn.Linear(4, 2, dtype=torch.float32)
    finally:
        torch.manual_seed(width)
"""
    _, store = swept(points=((3,),), trials=1, model=switching)
    random_state = torch.get_rng_state()
    assert representations(store, store.points).points
    assert torch.equal(torch.get_rng_state(), random_state)
    assert torch.get_default_dtype() == torch.float32


# Colours


@pytest.mark.parametrize(
    ('style', 'targets', 'labels', 'are_classes'),
    [
        ('classification', [2, 0, 1], [2, 0, 1], True),
        ('classification', [[0, 1, 0], [1, 0, 0], [0, 0, 1]], [1, 0, 2], True),
        ('classification', [[3, 1], [2, 2], [0, 5]], [3, 2, 0], True),
        ('multiclass', [[0.0, 1, 1], [0, 0, 0], [1, 0, 1]], [1, -1, 0], True),
        ('inv-loss', [0.5, -2.0, 7.0], [0.5, -2.0, 7.0], False),
        ('inv-loss', [[0.5, 9], [-2.0, 9], [7.0, 9]], [0.5, -2.0, 7.0], False),
        ('inv-loss', [4, 4, 6], [4, 4, 6], True),
    ],
)
def test_samples_are_coloured_by_class_or_value(style, targets, labels, are_classes):
    found, kind = labels_of(np.array(targets), style)
    assert found.tolist() == labels and kind is are_classes
