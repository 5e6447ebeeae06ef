"""Declared parameters that are in use only under a condition, which is read without running the code."""

import pytest

from sweeper.declare import HyperParameterManager
from sweeper.errors import DeclarationError, InvalidArgument
from sweeper.frozen import NamedPoint
from sweeper.options import selector_of
from sweeper.problem.parameters import declared_in, parameters_of
from sweeper.problem.reference import find_problem
from sweeper.selectors.fixed import FixedSweep

PROBLEM = """
from sweeper.m import _
def model(more=1):
    layers = [torch.nn.Linear(4, _('width', 4, choices=[4, 8]))]
    if _('norm', 'none', choices=['none', 'group']) == 'group':
        groups = _('groups', 2, choices=[2, 4], when=_('norm') == 'group')
        layers.append(torch.nn.GroupNorm(groups, _('width')))
    return torch.nn.Sequential(*layers, torch.nn.Linear(_('width'), 2))
def optimizer(parameters, lr):
    if _('opt', 'sgd', choices=['sgd', 'adam'], role='nuisance') == 'sgd':
        momentum = _('momentum', 0.5, range=(0.0, 0.9), role='nuisance', when="opt == 'sgd'")
        return torch.optim.SGD(parameters, lr, momentum=momentum)
    return torch.optim.Adam(parameters, lr)
"""
WIDE = {'width': 4, 'norm': 'group'}


@pytest.fixture
def parameters(write_problem):
    """Reads the parameters of a problem with some changes of its text."""

    def read(*changes):
        text = PROBLEM
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        sources = find_problem(write_problem(model=text).path).sources()
        return parameters_of('problem', lambda more=1: None, sources)

    return read


@pytest.mark.parametrize(
    'condition',
    ["_('norm') == 'group'", '"norm == \'group\'"', "'group' == _('norm')", "not _('norm') == 'none'", "_('norm') in ['group']"],  # noqa: E501
)  # fmt: skip
def test_a_parameter_is_compared_only_where_its_condition_holds(write_problem, condition):
    text = PROBLEM.replace("_('norm') == 'group')", f'{condition})')
    path = write_problem(model=text).path
    points = [point for point, _ in FixedSweep.with_declared(path, 1).points_and_trials()]
    assert points == [
        NamedPoint(width=width, norm=norm, **groups)
        for width in (4, 8)
        for norm, options in (('none', [{}]), ('group', [{'groups': 2}, {'groups': 4}]))
        for groups in options
    ]
    drawn = FixedSweep.with_declared(path, 1, points=6).points_and_trials()
    assert {point for point, _ in drawn} == {*points}


def test_values_that_are_given_restrict_what_conditions_are_about(write_problem):
    path = write_problem(model=PROBLEM).path
    points = [
        point for point, _ in FixedSweep.with_declared(path, 1, values={'norm': ['none']}).points_and_trials()
    ]
    assert points == [NamedPoint(norm='none', width=width) for width in (4, 8)]
    points = FixedSweep.with_declared(path, 1, values={'norm': ['group'], 'width': [8]}).points_and_trials()
    assert {point['groups'] for point, _ in points} == {2, 4}
    nothing = {
        'grid': [],
        'random': [],
        'point': [],
        'settings': ['norm=none'],
        'trials': 1,
        'seed': 0,
        'points': None,
    }
    chosen = selector_of(str(path), declared=True, name='random', options=['points=2'], **nothing)()
    assert {point for point, _ in chosen.points_and_trials()} == {*points_without_groups()}


def points_without_groups():
    return [NamedPoint(norm='none', width=width) for width in (4, 8)]


def test_a_nuisance_parameter_is_tuned_only_where_its_condition_holds(parameters):
    tuned = parameters().nuisance(NamedPoint(WIDE))
    assert [*tuned] == ['opt', 'momentum']
    assert tuned.legal({'opt': 'adam', 'momentum': 0.3}) == {'opt': 'adam'}
    assert tuned.legal({'opt': 'sgd', 'momentum': 0.3}) == {'opt': 'sgd', 'momentum': 0.3}
    assert [*parameters().nuisance(NamedPoint(**WIDE, opt='adam'))] == []
    assert [*parameters().nuisance(NamedPoint(**WIDE, opt='sgd'))] == ['momentum']
    by_norm = parameters(('when="opt == \'sgd\'"', "when=\"norm == 'group' and opt == 'sgd'\""))
    assert [*by_norm.nuisance(NamedPoint(width=4, norm='none'))] == ['opt']
    assert [*by_norm.nuisance(NamedPoint(width=4))] == ['opt']  # it is `none` by default
    assert [*by_norm.nuisance(NamedPoint(WIDE))] == ['opt', 'momentum']


def test_a_parameter_that_is_left_alone_decides_by_its_default(parameters):
    for default, expected in (('none', set()), ('group', {'groups'})):
        change = (
            "_('norm', 'none', choices=['none', 'group'])",
            f"_('norm', '{default}', choices=['none', 'group'], role='fixed')",
        )
        space = parameters(change).declared.compared({})
        assert {*space} == {'width', *expected} and not space.conditions


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ("_('norm') == 'group')", '"nrom == 1")', r'hint when of `groups` is about `nrom`, which is not declared'),  # noqa: E501
        ("_('norm') == 'group')", '"more == 1")', r'is about `more`, which is not declared'),
        ("_('norm') == 'group')", '"norm == 3")', r"norm is never 3; it is one of 'none', 'group'"),
        ("_('norm') == 'group')", '"groups == 2")', 'cycle'),
        ("_('norm') == 'group')", '"norm ="),', 'hint when of `groups`: condition'),
        ("_('norm') == 'group')", 'True),', 'hint when of `groups`: condition True: must be a text'),
        ("_('norm') == 'group')", '"opt == \'sgd\'")', "groups is compared, and depends on opt, which has the role 'nuisance'"),  # noqa: E501
        (", choices=['none', 'group']", '', 'is about `norm`, which has neither choices nor a range'),
    ],
)  # fmt: skip
def test_a_condition_that_cannot_be_is_an_error_with_its_place(parameters, old, new, message):
    new = new.rstrip(',')
    with pytest.raises(DeclarationError, match=message) as error:
        parameters((old, new)).declared.compared({})
    assert '.py:' in str(error.value) or 'role' in str(error.value)


@pytest.mark.parametrize('condition', ["_('norm') == _('width')", 'f(3)', "1 + _('norm') == 2"])
def test_a_condition_that_only_running_the_code_could_tell_is_refused_when_it_is_read(condition):
    with pytest.raises((DeclarationError, InvalidArgument), match='hint `when` of `a`'):
        HyperParameterManager('_').parse_source(f"_('a', 1, choices=[1, 2], when=({condition}) + 1)")


def test_the_value_of_a_condition_makes_no_difference_when_the_code_runs():
    manager = HyperParameterManager('_')
    manager.parse_source("_('a', 1)\n_('b', 2, when=_('a') == 3)")
    assert manager('b', 2, when=manager('a', 1) == 3) == 2
    (node,) = [node for node in manager.get_nodes() if node.name == 'b']
    assert node.hints == {'when': 'a == 3'}


def test_a_sweep_of_what_is_declared_has_no_parameter_out_of_use(write_problem, sweep_inline, tmp_path):
    path = write_problem(model=PROBLEM).path
    assert declared_in(find_problem(path).sources()).tuned(()) is not None
    results = sweep_inline(path, FixedSweep.with_declared(path, 1), tmp_path / 'out')
    assert len(results) == 6 and not results.failures
    for point, tuned in results.nuisance.items():
        assert ('groups' in point) == (point['norm'] == 'group')
        assert ('momentum' in tuned) == (tuned['opt'] == 'sgd')
