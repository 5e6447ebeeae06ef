"""Of a space, what is compared is proposed, and what is nuisance is tuned for every point."""

import json
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper import get_settings
from sweeper.errors import FolderError, InvalidArgument, InvalidPoint
from sweeper.frozen import NamedPoint
from sweeper.options import selector_of
from sweeper.selectors.evolution import EvolutionSweep
from sweeper.selectors.fixed import FixedSweep
from sweeper.selectors.grid import GridSweep
from sweeper.selectors.racing import RacingSweep
from sweeper.selectors.random import RandomSweep
from sweeper.space import Categorical, Float, Integer, Ordinal, Space
from sweeper.space.roles import TunedSpace, scientific, tuned_texts
from sweeper.tuning.bounds import split_bounds
from sweeper.tuning.candidates import Candidate, Scored
from sweeper.tuning.fixed import FixedHyperparameters
from sweeper.tuning.nuisance import finalists, grid_and_scattered, varied

from .strategies import spaces

WHOLE = Space(
    {
        'width': Integer(2, 3),
        'norm': Categorical(['none', 'batch']),
        'eps': Categorical([1e-5, 1e-3]),
        'opt': Categorical(['sgd', 'adam'], role='nuisance'),
        'momentum': Float(0.0, 0.9, role='nuisance', default=0.5),
        'decay': Float(1e-6, 1e-2, log=True, role='nuisance'),
        'lr': Float(1e-3, 1e-1, log=True, role='nuisance'),
        'batch_size': Categorical([8, 16, 32], role='nuisance'),
    },
    {'eps': "norm == 'batch'", 'momentum': "opt == 'sgd'", 'decay': "opt == 'adam' and norm == 'batch'"},
    ["width == 3 and opt == 'adam'"],
)
PROBLEM = """
from sweeper.m import _
def model(width, norm='none', eps=1e-5):
    return torch.nn.Sequential(torch.nn.Linear(4, width), torch.nn.Linear(width, 2))
def optimizer(parameters, lr):
    if _('opt', 'sgd') == 'sgd':
        return torch.optim.SGD(parameters, lr, momentum=_('momentum', 0.0))
    return torch.optim.Adam(parameters, lr, weight_decay=_('decay', 1e-4))
"""


def nothing(name):
    return False


def test_what_is_compared_is_a_space_of_its_own():
    compared = scientific(WHOLE)
    assert [*compared] == ['width', 'norm', 'eps'] and compared.size == 6 and not compared.forbidden
    assert scientific(compared) is compared
    with pytest.raises(InvalidArgument, match='nothing in the space is to be compared'):
        scientific(Space({'a': Integer(1, 2, role='nuisance')}))
    mixed = Space({'a': Integer(1, 2, role='nuisance'), 'b': Integer(1, 2)}, {'b': 'a == 1'})
    with pytest.raises(
        InvalidArgument, match="b is compared, and depends on a, which has the role 'nuisance'"
    ):
        scientific(mixed)


@pytest.mark.parametrize(
    'select',
    [
        lambda space: FixedSweep.with_grid(space, 1),
        lambda space: FixedSweep.with_random_trials(space, 6, 1),
        lambda space: GridSweep(space, 1),
        lambda space: RandomSweep(space, 6, 1),
    ],
)
def test_selectors_propose_what_is_compared(select):
    selector = select(WHOLE)
    assert {point for point, _ in selector.points_and_trials()} == {*scientific(WHOLE).points()}
    assert selector.whole_space is WHOLE
    assert EvolutionSweep(WHOLE).whole_space is RacingSweep(WHOLE).whole_space is WHOLE
    assert {*RacingSweep(WHOLE).points} == {*scientific(WHOLE).points()}


@pytest.mark.parametrize(
    ('point', 'names'),
    [
        ({'width': 2, 'norm': 'none'}, ['opt', 'momentum']),
        ({'width': 2, 'norm': 'batch', 'eps': 1e-5}, ['opt', 'momentum', 'decay']),
        ({'width': 2, 'norm': 'none', 'opt': 'adam'}, []),
    ],
)
def test_only_what_a_point_may_have_is_tuned_for_it(point, names):
    rest = split_bounds(WHOLE, nothing)[1]
    tuned = TunedSpace(rest, NamedPoint(point))
    assert [*tuned] == names
    assert all(domain.contains(domain.default) for domain in tuned.values())


def test_values_without_effect_are_left_out_and_forbidden_ones_give_way():
    rest = split_bounds(WHOLE, nothing)[1]
    tuned = TunedSpace(rest, NamedPoint(width=2, norm='batch', eps=1e-3))
    assert tuned.legal({'opt': 'sgd', 'momentum': 0.3, 'decay': 1e-3}) == {'opt': 'sgd', 'momentum': 0.3}
    assert tuned.legal({'opt': 'adam', 'momentum': 0.3, 'decay': 1e-3}) == {'opt': 'adam', 'decay': 1e-3}
    wide = TunedSpace(rest, NamedPoint(width=3, norm='none'))
    assert wide.legal({'opt': 'adam', 'momentum': 0.3}) == {'opt': 'sgd', 'momentum': 0.3}


def test_candidates_have_the_values_that_are_in_force():
    tuned = TunedSpace(split_bounds(WHOLE, nothing)[1], NamedPoint(width=2, norm='batch', eps=1e-3))
    candidates = grid_and_scattered(get_settings('fast'), 5000, 1e-3, 1e-1, tuned)
    assert {tuple(name for name, _ in candidate.nuisance) for candidate in candidates} == {
        ('opt', 'momentum'),
        ('opt', 'decay'),
    }
    sgd, adam = (('opt', 'sgd'), ('momentum', 0.5)), (('opt', 'adam'), ('decay', 1e-4))
    beside = varied(Candidate(0.1, 16, sgd), tuned, 0.5)
    assert all(candidate.nuisance != sgd for candidate in beside) and len({*beside}) == len(beside)
    assert adam in [candidate.nuisance for candidate in beside]
    scored = [Scored(Candidate(0.1, 16, values), 1.0, perf) for values, perf in ((sgd, 0.9), (adam, 0.8))]
    assert len(finalists(get_settings('fast'), scored, tuned, 5)) == 2  # they are as far apart as can be


@given(spaces(), st.data())
def test_a_space_with_fixed_values_has_the_points_that_have_them(space, data):
    point = space.sample(random.Random(data.draw(st.integers(0, 99))))
    name = data.draw(st.sampled_from([*point]))
    fixed = space.fixed({name: point[name]})
    sample = fixed.sample(random.Random(1))
    space.check(sample)
    assert sample.get(name, point[name]) == point[name]
    assert [*space.fixed(point).points()] == [point]


def test_what_is_not_there_cannot_be_fixed():
    with pytest.raises(InvalidArgument, match="no parameter 'widht'; did you mean width"):
        WHOLE.fixed({'widht': 1})
    with pytest.raises(InvalidArgument, match='width=7: must be an integer from 2 to 3'):
        WHOLE.fixed({'width': 7})
    sizes = Space({'size': Ordinal([*'abc']), 'x': Integer(1, 2)}, {'x': "size > 'a'"})
    assert sizes.fixed({'size': 'b'}).size == 2 and sizes.fixed({'size': 'a'}).size == 1
    with pytest.raises(InvalidPoint):
        sizes.fixed({'size': 'b'}).check({'size': 'c', 'x': 1})


def test_learning_rate_and_batch_size_become_limits_of_the_tuner():
    bounds, rest = split_bounds(WHOLE, nothing)
    settings = bounds.applied(get_settings('fast'))
    assert (settings.lr_start, settings.lr_end, settings.batch_start, settings.batch_end) == (
        1e-3,
        1e-1,
        8,
        32,
    )
    assert [*rest] == ['width', 'norm', 'eps', 'opt', 'momentum', 'decay']
    one = Space({'w': Integer(1, 2), 'dataset.batch_size': Categorical([64], role='nuisance')})
    bounds, rest = split_bounds(one, nothing)
    settings = bounds.applied(get_settings('fast'))
    assert settings.batch_objective == settings.batch_size == 64 and rest is None
    assert split_bounds(one, lambda name: True)[0].settings == {}  # the code reads it
    low = Space({'w': Integer(1, 2), 'batch_size': Integer(32, 64, role='nuisance')})
    assert split_bounds(low, nothing)[0].applied(get_settings('fast')).batch_size == 32


@pytest.mark.parametrize(
    ('domains', 'conditions', 'message'),
    [
        ({'lr': Float(0.0, 1.0)}, {}, 'lr: must be numbers above 0'),
        ({'lr': Categorical([0.1])}, {}, 'lr: has a single value, 0.1'),
        ({'batch_size': Float(1.0, 8.0)}, {}, 'batch_size: must be integers'),
        ({'lr': Float(0.1, 1.0), 'learning_rate': Float(0.1, 1.0)}, {}, 'a trial has one learning rate'),
        ({'lr': Float(0.1, 1.0), 'x': Integer(1, 2)}, {'x': 'lr > 0.5'}, 'lr is tuned: no condition'),
        ({'lr': Float(0.1, 1.0), 'x': Integer(1, 2)}, {'lr': 'x == 1'}, 'lr is tuned for every architecture'),
    ],
)
def test_what_cannot_be_a_limit_is_refused(domains, conditions, message):
    space = Space({name: replace(domain, role='nuisance') for name, domain in domains.items()}, conditions)
    with pytest.raises(InvalidArgument, match=message):
        split_bounds(space, nothing)


def test_a_sweep_tunes_what_a_space_has_as_nuisance(tmp_path, write_problem, sweep_inline, capfd):
    problem, out = write_problem(model=PROBLEM), tmp_path / 'out'
    selector = GridSweep(WHOLE, 1)
    results = sweep_inline(problem.path, selector, out, progress='plain')
    assert len(results) == 6 and not results.failures
    said = capfd.readouterr().err
    assert (
        said.count('Tuned for every architecture, not compared: lr (a number from 0.001 to 0.1 (log))') == 1
    )
    manifest = json.loads((out / 'sweep.json').read_text())
    assert manifest['settings']['lr_end'] == 0.1 and manifest['settings']['batch_end'] == 32
    assert manifest['tuned_space']['momentum'] == "a number from 0 to 0.9, 0.5 by default, if opt == 'sgd'"
    assert manifest['tuned_space']['forbidden'] == "width == 3 and opt == 'adam'"
    for point, tuned in results.nuisance.items():
        assert {*tuned} in ({'opt', 'momentum'}, {'opt', 'decay'}, {'opt'})
        assert ('momentum' in tuned) == (tuned['opt'] == 'sgd')
        assert point['width'] == 2 or tuned['opt'] == 'sgd'
    columns = results.to_frame().columns
    assert 'nuisance_opt' in columns
    for path in out.glob('points/*/hparams/candidates.npz'):
        candidates = np.load(path)
        has_momentum = candidates['nuisance_momentum'] != ''
        assert ((candidates['nuisance_opt'] == 'sgd') == has_momentum).all()
    before = {path: path.read_bytes() for path in out.rglob('*') if path.is_file() and path.suffix == '.json'}
    sweep_inline(problem.path, GridSweep(WHOLE, 1), out)  # there is nothing to do
    assert all(path.read_bytes() == content for path, content in before.items() if path.name == 'final.json')
    wider = Space({**WHOLE, 'momentum': Float(0.0, 0.95, role='nuisance')}, WHOLE.conditions, WHOLE.forbidden)
    with pytest.raises(FolderError, match='tuned parameter momentum: a number from 0'):
        sweep_inline(problem.path, GridSweep(wider, 1), out)


def test_what_cannot_be_tuned_is_refused_before_anything_is_trained(tmp_path, write_problem, sweep_inline):
    path = write_problem(model=PROBLEM).path
    for more, message in (
        (
            {'momentun': Float(0.0, 0.9, role='nuisance')},
            'momentun has the role nuisance .* did you mean `momentum`',
        ),
        ({'opt': Categorical(['sgd', 'adam', 3], role='nuisance')}, '`opt`'),
    ):
        space = Space({'width': Integer(2, 3), **more})
        with pytest.raises((InvalidArgument, ValueError), match=message):
            sweep_inline(path, GridSweep(space, 1), tmp_path / 'out')
    limited = Space({'width': Integer(2, 3), 'lr': Float(0.1, 1.0, role='nuisance')})
    with pytest.raises(
        InvalidArgument, match='goes with a preset or settings, not with FixedHyperparameters'
    ):
        sweep_inline(
            path, GridSweep(limited, 1), tmp_path / 'out', hparams=FixedHyperparameters(lr=0.1, batch_size=8)
        )


VEGA = """
hpo:
  search_space:
    hyperparameters:
      - {key: network.width, type: INT_CAT, range: [2, 4]}
      - {key: dataset.batch_size, type: CATEGORY, range: [8, 16]}
      - {key: trainer.optimizer.params.lr, type: FLOAT_EXP, range: [1e-3, 1e-1]}
      - {key: trainer.optimizer.type, type: CATEGORY, range: [Adam, SGD]}
      - {key: trainer.optimizer.params.momentum, type: FLOAT, range: [0.0, 0.99]}
    condition:
      - {key: c, child: trainer.optimizer.params.momentum, parent: trainer.optimizer.type, type: EQUAL, range: [SGD]}
"""  # noqa: E501
VEGA_PROBLEM = """
from sweeper.m import _
def model():
    width = _('network.width', 2)
    return torch.nn.Sequential(torch.nn.Linear(4, width), torch.nn.Linear(width, 2))
def optimizer(parameters, lr):
    if _('trainer.optimizer.type', 'SGD') == 'SGD':
        return torch.optim.SGD(parameters, lr, momentum=_('trainer.optimizer.params.momentum', 0.0))
    return torch.optim.Adam(parameters, lr)
"""


def test_a_search_space_of_vega_is_swept(tmp_path, write_problem, sweep_inline):
    (tmp_path / 'asha.yml').write_text(VEGA)
    space = Space.load(tmp_path / 'asha.yml')
    results = sweep_inline(write_problem(model=VEGA_PROBLEM).path, GridSweep(space, 1), tmp_path / 'out')
    assert [result.params for result in results] == [{'network.width': 2}, {'network.width': 4}]
    names = {'trainer.optimizer.type', 'trainer.optimizer.params.momentum'}
    for tuned in results.nuisance.values():
        assert {*tuned} == (
            names if tuned['trainer.optimizer.type'] == 'SGD' else names - {max(names, key=len)}
        )


NOTHING = {'grid': [], 'random': [], 'point': [], 'declared': False, 'settings': [], 'trials': 1, 'seed': 0}


def test_a_space_on_the_command_line_is_tried_as_a_whole_or_drawn_from(tmp_path):
    path = tmp_path / 'space.yaml'
    WHOLE.save(path)
    proposed = selector_of('any.py', **NOTHING, space=path, points=None).points_and_trials()
    assert {point for point, _ in proposed} == {*scientific(WHOLE).points()}
    drawn = selector_of('any.py', **NOTHING, space=path, points=3)
    assert len(drawn.points_and_trials()) == 3 and drawn.whole_space == WHOLE
    fixed = selector_of('any.py', **{**NOTHING, 'settings': ['norm=none']}, space=path, points=None)
    assert [point for point, _ in fixed.points_and_trials()] == [
        NamedPoint(width=2, norm='none'),
        NamedPoint(width=3, norm='none'),
    ]
    with pytest.raises(InvalidArgument, match='--set norm=nix: norm='):
        selector_of('any.py', **{**NOTHING, 'settings': ['norm=nix']}, space=path, points=None)
    with pytest.raises(InvalidArgument, match='and so does --declared: give one of them'):
        selector_of('any.py', **{**NOTHING, 'declared': True}, space=path, points=None)
    Space({'w': Integer(1, 1000)}).save(path)
    assert len(selector_of('any.py', **NOTHING, space=path, points=None).points_and_trials()) == 10
    Space({'lr': Float(0.1, 1.0, role='nuisance')}).save(path)
    assert selector_of('any.py', **NOTHING, space=path, points=None).points_and_trials() == [
        (NamedPoint(), 1)
    ]
    assert tuned_texts(Space.load(path)) == {'lr': 'a number from 0.1 to 1'}
