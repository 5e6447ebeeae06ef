"""What the files of a project declare as a whole: what can be swept, and why something cannot."""

import pickle

import pytest

from sweeper.declare import DeclarationError, NotLiteralNameException
from sweeper.declare.project import read_project

IMPORT = 'from sweeper.m import _\n'


@pytest.fixture
def read(tmp_path):
    """Reads a project of files: `net='…'` is net.py, which imports the manager."""

    def read(**files):
        paths = [tmp_path / f'{name}.py' for name in files]
        for path, source in zip(paths, files.values(), strict=True):
            path.write_text(IMPORT + source)
        return read_project(paths, tmp_path)

    return read


def in_function(*calls):
    return 'def f():\n' + ''.join(f'    x = {call}\n' for call in calls)


def test_places_are_told_relative_to_the_folder_the_default_first(read):
    declared = read(a=in_function("_('width')"), b=in_function("_('width', 8)", "_('depth', 1)"))
    assert declared.places('width') == ['b.py:3', 'a.py:3']
    assert declared.to_dict() == {
        'width': {'role': 'fixed', 'default': '8', 'places': ['b.py:3', 'a.py:3']},
        'depth': {'role': 'fixed', 'default': '1', 'places': ['b.py:4']},
    }
    assert declared.faults == {}


def test_what_is_told_of_a_default_is_its_source(read):
    calls = ["_('a', nn.ReLU)", "_('b', 'text')", "_('c')"]
    told = read(net=in_function(*calls)).to_dict()
    assert [told[name]['default'] for name in 'abc'] == ['nn.ReLU', "'text'", None]


def test_everything_known_goes_to_other_processes(read):
    source = in_function("_('a', nn.ReLU, choices=[1, 2])", "_('b', 2, range=(1, 4), role='nuisance')")
    declared = read(net=source)
    copy = pickle.loads(pickle.dumps(declared))
    assert copy.to_dict() == declared.to_dict() and copy.nuisance == declared.nuisance
    assert len(pickle.dumps(declared)) < 3000  # so without the files' texts


def test_two_defaults_are_a_fault_that_shows_both_places(read):
    declared = read(a=in_function("_('width', 8)"), b=in_function("_('width', 8)", "_('depth', 1)"))
    assert declared.faults.keys() == {'width'}
    with pytest.raises(
        DeclarationError, match=r"(?s)`width` has 2 defaults.*a.py:3.*==> 3: .*b.py:3.*_\('width', 8\)"
    ):
        declared.check('width')
    declared.check('depth')


def test_two_managers_with_one_name_are_a_fault(read):
    declared = read(
        a=in_function("_('width', 8)"), b='from sweeper.m import hp\n' + in_function("hp('width', 9)")
    )
    assert 'by the managers `_` and `hp` (a.py:3, b.py:4)' in declared.faults['width']


@pytest.mark.parametrize(
    'source',
    [
        "WIDTH = _('width', 8)",
        "def f(width=_('width', 8)): pass",
        "class Net:\n    width = _('width', 8)",
        "if _('width', 8) > 2: pass",
        "WIDTHS = [_('width', 8) for _one in range(3)]",
        "print(_('width', 8))",
    ],
)
def test_a_value_that_is_used_on_import_cannot_be_swept(read, source):
    fault = read(net=source).faults['width']
    assert 'is read once, while its module is imported' in fault and 'net.py:' in fault and '==>' in fault


@pytest.mark.parametrize(
    'source',
    [
        "_('width', 8)",
        "if True:\n    _('width', 8, choices=[8, 9])",
        "f = lambda: _('width', 8)",
        "class Net:\n    def __init__(self):\n        self.width = _('width', 8)",
        "def f():\n    return [_('width', 8) for _one in range(3)]",
    ],
)
def test_a_declaration_by_itself_and_what_functions_read_can(read, source):
    declared = read(net=source)
    assert declared.nodes.keys() == {'width'} and not declared.faults


def test_what_is_compared_and_what_is_tuned_go_by_the_roles(read):
    calls = [
        "_('a', 1, choices=[1, 2])",
        "_('b', 0.5, range=(0, 1), role='nuisance')",
        "_('c', 1, range=(1, 4), role='fixed')",
        "_('d', 1)",
    ]
    declared = read(net=in_function(*calls))
    assert [*declared.scientific()] == ['a']
    assert [*declared.nuisance] == ['b']


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        ("_('a', 1, role='nuisance')", 'give neither choices nor a range'),
        ("_('a', range=(1, 2), role='nuisance')", 'needs a default that is a literal'),
        ("_('a', f(), range=(1, 2), role='nuisance')", 'needs a default that is a literal'),
        ("_('a', 5, range=(1, 2), role='nuisance')", 'default=5: must be an integer from 1 to 2'),
        ("_('a', 5, role='nuisances')", "valid are 'scientific', 'nuisance', 'fixed'"),
    ],
)
def test_a_nuisance_parameter_that_cannot_be_tuned_is_an_error_at_once(read, call, message):
    with pytest.raises(DeclarationError, match=rf'net.py:3: `a`.*{message}'):
        read(net=in_function(call))


def test_a_nuisance_parameter_with_a_fault_is_an_error_at_once(read):
    with pytest.raises(DeclarationError, match='`a` has 2 defaults'):
        read(net=in_function("_('a', 1, range=(1, 2), role='nuisance')", "_('a', 2)"))


def test_a_parameter_to_be_compared_must_say_its_values(read):
    declared = read(net=in_function("_('a', 1, role='scientific')"))
    with pytest.raises(DeclarationError, match="`a` has role='scientific', but its hints give neither"):
        declared.scientific()


def test_a_name_that_only_running_the_code_could_tell_is_an_error(read):
    with pytest.raises(NotLiteralNameException, match=r'net\.py:3'):
        read(net=in_function("_(f'layer{i}', 1)"))


def test_values_are_read_as_the_code_has_them(read):
    calls = [
        "_('sizes', [8, 8])",
        "_('blocks', [[1], [2]], choices=[[[1], [2]], [[3]]])",
        "_('rate', 0.5)",
        "_('any', None)",
    ]
    declared = read(net=in_function(*calls))
    values = declared.as_read({'sizes': (4, 4), 'blocks': ((3,),), 'rate': 1, 'any': (1, 2)})
    assert values == {'_': {'sizes': [4, 4], 'blocks': [[3]], 'rate': 1.0, 'any': (1, 2)}}
    assert type(values['_']['rate']) is float


def test_every_manager_gets_its_own_values(read):
    source = in_function("_('width', 8)") + 'from sweeper.m import hp\n' + in_function("hp('depth', 9)")
    assert read(net=source).as_read({'width': 1, 'depth': 2}) == {'_': {'width': 1}, 'hp': {'depth': 2}}


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'width': 'eight'}, '`width`: eight is not a whole number'),
        ({'act': 'relu6'}, '`act`: relu6 is not among its choices relu, tanh'),
    ],
)
def test_a_value_that_the_code_cannot_have_is_refused(read, values, message):
    declared = read(net=in_function("_('width', 8)", "_('act', 'relu', choices=['relu', 'tanh'])"))
    with pytest.raises(DeclarationError, match=message):
        declared.as_read(values)


@pytest.mark.parametrize('manager', ['_', 'hp'])
def test_a_manager_passed_as_an_argument_is_warned_of(manager, tmp_path):
    (tmp_path / 'build.py').write_text(f"def build({manager}):\n    return {manager}('width', 8)\n")
    (tmp_path / 'net.py').write_text(
        f"from sweeper.m import {manager}\ndef f():\n    {manager}('depth', 1)\n"
    )
    (tmp_path / 'other.py').write_text("def look(get, table):\n    return get('x', 1), table('y', 2)\n")
    declared = read_project([tmp_path / f'{name}.py' for name in ('build', 'net', 'other')], tmp_path)
    assert declared.warnings == [
        f"build.py:2: `{manager}('width', 8)` is not taken for a parameter: `{manager}` is no manager here "
        f'(line 1)'
    ]
    assert list(declared.nodes) == ['depth']
