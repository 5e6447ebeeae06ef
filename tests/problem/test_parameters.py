"""What of a problem can be swept: arguments of model(), and what its code declares."""

import pytest

from sweeper import m
from sweeper.errors import InvalidPoint
from sweeper.frozen import thaw
from sweeper.points import NamedPoint, as_point
from sweeper.problem.problem import load_problem
from sweeper.problem.reference import find_problem

LAYERS = """
from sweeper.m import _

def width():
    return _('width', 8, choices=[4, 8])

def dropout():
    return _('dropout', 0.1, range=(0.0, 0.9), role='nuisance')
"""
FAULTY = """
def depth():
    _('depth', 1)

def twice():
    _('twice', 1)
    _('twice', 2)

X = _('early', 1)
"""
MODEL = """
from {layers} import dropout, width
from sweeper.m import _

def model({arguments}):
    sizes = _('sizes', [4, 4])
    seen = dict(width=width(), dropout=dropout(), sizes=list(sizes), given=({given}))
    sizes.append('changed')
    module = torch.nn.Linear(1, 1)
    module.seen = seen
    return module
"""


@pytest.fixture
def declaring(write_problem, tmp_path):
    """Loads a problem whose model says what it read; its layers are in a file of their own."""

    def load(arguments='', given='', layers=LAYERS):
        problem = write_problem(model='')
        name = problem.name.replace('problem', 'sibling')
        (tmp_path / f'{name}.py').write_text(layers)
        problem.path.write_text(problem.text + MODEL.format(layers=name, arguments=arguments, given=given))
        return load_problem(find_problem(problem.path))

    return load


def read_by(problem, point, nuisance=None):
    with problem.using(point, nuisance or {}):
        return problem.model(point).seen


def test_a_model_without_arguments_reads_the_point(declaring):
    problem = declaring()
    default = {'width': 8, 'dropout': 0.1, 'sizes': [4, 4], 'given': ()}
    assert read_by(problem, NamedPoint()) == default
    assert read_by(problem, NamedPoint(width=4)) == default | {'width': 4}
    assert read_by(problem, NamedPoint(sizes=(1, 2)), {'dropout': 0.5}) == default | {
        'sizes': [1, 2],
        'dropout': 0.5,
    }
    assert read_by(problem, NamedPoint()) == default


@pytest.mark.parametrize('point', [NamedPoint(width=4), NamedPoint(), ()])
def test_values_do_not_leak_out_of_a_run(declaring, point):
    problem = declaring()

    def run():
        with problem.using(point, {}):
            m._.set_values({'width': 2, 'dropout': 0.7})  # user code may
            assert problem.model(point).seen['width'] == 2
            raise KeyError

    with pytest.raises(KeyError):
        run()
    seen = read_by(problem, NamedPoint())
    assert (seen['width'], seen['dropout'], seen['sizes']) == (8, 0.1, [4, 4])


def test_arguments_and_declared_parameters_go_together(declaring):
    problem = declaring('depth, act="relu"', 'depth, act')
    point = NamedPoint(depth=3, width=4)
    problem.parameters.check(point)
    seen = read_by(problem, point)
    assert (seen['width'], seen['given']) == (4, (3, 'relu'))
    assert read_by(problem, (2, 'tanh'))['given'] == (2, 'tanh')


def test_arguments_by_any_name_are_those_that_nothing_declares(declaring):
    problem = declaring('**given', 'sorted(given.items())')
    point = NamedPoint(width=4, depth=3)
    problem.parameters.check(point)
    assert read_by(problem, point)['given'] == [('depth', 3)]


def test_what_has_been_read_is_known(declaring):
    problem = declaring(layers=LAYERS + "\ndef unused():\n    return _('unused', 1)\n")
    point = NamedPoint(width=4, unused=2)
    with problem.using(point, {'dropout': 0.3}) as read:
        assert read() == set()
        problem.model(point)
        assert read() == {'width', 'dropout', 'sizes'}


def test_a_name_that_no_code_reads_is_refused_with_where_it_was_looked_for(declaring):
    parameters = declaring('depth=1').parameters
    with pytest.raises(
        InvalidPoint, match=r'no code reads `widht`: model\(depth=1\) .* in problem_\d+.py, sibl.*`width`'
    ):
        parameters.check(NamedPoint(widht=4))


@pytest.mark.parametrize(
    ('point', 'message'),
    [
        (NamedPoint(width=5), 'is not among its choices 4, 8'),
        (NamedPoint(sizes=3), '`sizes`: 3 is not a list'),
        (
            NamedPoint(depth=1),
            r'`depth` is an argument of model\(depth=1\) and also declared at sibling_\d+.py:11',
        ),
        (NamedPoint(twice=1), '(?s)`twice` has 2 defaults.*py:14.*py:15'),
        (NamedPoint(early=1), r'(?s)`early` is read once, while its module is imported.*sibling_\d+.py:17'),
    ],
)
def test_what_cannot_be_swept_is_refused_with_the_places(declaring, point, message):
    with pytest.raises(InvalidPoint, match=message):
        declaring('depth=1', layers=LAYERS + FAULTY).parameters.check(point)


def test_a_missing_argument_is_told_as_ever(declaring):
    with pytest.raises(InvalidPoint, match=r'model\(depth\) of .* missing a required argument: `depth`'):
        declaring('depth').parameters.check(NamedPoint(width=4))


def test_nuisance_parameters_are_tuned_unless_the_point_fixes_them(declaring):
    parameters = declaring().parameters
    assert [*parameters.nuisance(NamedPoint(width=4))] == ['dropout']
    assert [*parameters.nuisance(())] == ['dropout']
    assert parameters.nuisance(NamedPoint(dropout=0.3)) == {}


def test_a_problem_that_imports_no_manager_declares_nothing(write_problem):
    problem = load_problem(find_problem(write_problem().path))
    assert problem.parameters.declared is None
    assert problem.parameters.nuisance((1,)) == {}


def test_the_manager_may_be_imported_in_any_way(write_problem):
    for text in (
        'from sweeper import m',
        'import sweeper.m as m',
        'from sweeper import (\n    sweep,\n    m,\n)',
    ):
        problem = write_problem(
            model=f"{text}\ndef model():\n    return torch.nn.Linear(4, m._('outputs', 2))"
        )
        assert load_problem(find_problem(problem.path)).parameters.declared.nodes.keys() == {'outputs'}


CONFIGURED = """
from sweeper.m import _

def width():
    return repr(_('cfg', {'width': 8, 'sizes': [4, 4], 'deep': {'rate': 0.1, 'act': None}}))

def dropout():
    return _('kind', {'a': [1]}, choices=[{'a': [1]}, {'a': [2], 'b': {}}])
"""
DEFAULT = {'width': 8, 'sizes': [4, 4], 'deep': {'rate': 0.1, 'act': None}}


@pytest.mark.parametrize(
    ('values', 'expected'),
    [
        ({}, DEFAULT),
        ({'cfg': {'width': 4, 'sizes': [1], 'new': (1, 2)}}, {'width': 4, 'sizes': [1], 'new': (1, 2)}),
        ({'cfg.width': 4}, DEFAULT | {'width': 4}),
        ({'cfg.sizes': [1]}, DEFAULT | {'sizes': [1]}),
        ({'cfg.deep': {'rate': 0.2}}, DEFAULT | {'deep': {'rate': 0.2}}),
        ({'cfg.deep.act': 'x', 'cfg.deep.rate': 1}, DEFAULT | {'deep': {'rate': 1.0, 'act': 'x'}}),
        ({'cfg.width': 4, 'cfg': {'sizes': [2]}}, {'sizes': [2], 'width': 4}),
    ],
    ids=repr,
)
def test_a_dict_is_read_as_a_dict_and_its_entries_can_be_set_alone(declaring, values, expected):
    problem = declaring(layers=CONFIGURED)
    point = as_point(values)
    problem.parameters.check(point)
    assert eval(read_by(problem, point)['width']) == expected
    assert eval(read_by(problem, NamedPoint())['width']) == DEFAULT


@pytest.mark.parametrize('value', [{'a': [1]}, {'b': {}, 'a': [2]}], ids=repr)
def test_choices_may_be_dicts(declaring, value):
    problem = declaring(layers=CONFIGURED)
    assert value in [thaw(one, value) for one in problem.parameters.declared.scientific()['kind'].choices]
    assert read_by(problem, as_point({'kind': value}))['dropout'] == value
    with pytest.raises(InvalidPoint, match='not among its choices'):
        problem.parameters.check(as_point({'kind': {'a': [3]}}))


@pytest.mark.parametrize(
    ('values', 'told'),
    [
        (
            {'cfg.widht': 4},
            r'`cfg.widht` is no entry of the default of `cfg`, .*: did you mean `cfg.width`\?',
        ),
        ({'cfg.deep.rats': 4}, r'did you mean `cfg.deep.rate`\?'),
        ({'cfg.width': 'eight'}, '`cfg.width`: eight is not a whole number'),
        ({'cfg.width.x': 1}, '`cfg.width.x` is no entry'),
        ({'cfg': 4}, '`cfg`: 4 is not a dict'),
    ],
    ids=repr,
)
def test_an_entry_that_is_not_there_or_of_another_type_is_refused(declaring, values, told):
    with pytest.raises(InvalidPoint, match=told):
        declaring(layers=CONFIGURED).parameters.check(as_point(values))


def test_a_model_gets_dicts_that_are_its_own(declaring):
    problem = declaring('cfg', 'repr(cfg), cfg.setdefault("spoilt", 1)')
    point = as_point({'cfg': {'b': {'c': [1]}, 'a': 2}})
    for _time in range(2):
        assert read_by(problem, point)['given'] == (repr({'a': 2, 'b': {'c': (1,)}}), 1)
