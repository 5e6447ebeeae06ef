"""What is found in sources, and what is said of those that are not as they must be."""

import textwrap
import warnings
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.declare import (
    DeclarationError,
    DeclarationWarning,
    DoubleAssignmentException,
    HyperParameterManager,
    ImpossibleTree,
    NotLiteralEvaluable,
    NotLiteralNameException,
    SourceError,
)

IMPORT = 'from sweeper.m import _\n'


def parse(source, name='_'):
    """What a manager knows after a source, which must not leave doubts."""
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        return HyperParameterManager(name).parse_source(textwrap.dedent(source)).get_values()


def doubts(source, name='_'):
    """What a manager knows after a source that leaves doubts, and these."""
    manager = HyperParameterManager(name)
    with pytest.warns(DeclarationWarning) as caught:
        manager.parse_source(textwrap.dedent(source), 'model.py')
    return manager.get_values(), [str(warning.message) for warning in caught]


@pytest.mark.parametrize(
    ('source', 'value'),
    [
        ("_('x', 123)", 123),
        ("_('x', 0x18)", 24),
        ("_('x', -1e-5)", -1e-5),
        ("_('x', 1 + 2j)", 1 + 2j),
        ("_('x', 'text')", 'text'),
        ("_('x', None)", None),
        ("_('x', [1, 'a', (1.5, {2})])", [1, 'a', (1.5, {2})]),
        ("_('x', {'a': {1: 'b'}})", {'a': {1: 'b'}}),
        ("_  ('x' , 1) ", 1),
        ("_('''x''', 1)", 1),
        ("_('x'\n  '', 1)", 1),
        ("f(lambda: [a for a in _('x', 1)])", 1),
        ("@decorate(_('x', 1))\ndef f(): pass", 1),
        ("def f(a: _('x', 1)): pass", 1),
        ("class A(B, key=_('x', 1)): pass", 1),
        ('f\'{_("x", 1)}\'', 1),
        ("match a:\n    case _:\n        _('x', 1)", 1),
        ("[0 for _ in _('x', 1)]", 1),
        ("_('x', '\\d')", '\\d'),
        ("async def f():\n    async with g(_('x', 1)): await h()", 1),
    ],
)
def test_a_default_is_found_wherever_it_stands(source, value):
    assert parse(source) == {'x': value}


@pytest.mark.parametrize('source', ['abc', "__('x', 1)", "x._('x', 1)", "_.get_value('x')", "f('x', 1)", ''])
def test_other_calls_are_none_of_ours(source):
    assert parse(source) == {}


@pytest.mark.parametrize(
    'default', ['print', 'lambda x: x', "bytes('abc')", '1 + 1', '[a]', '{[]: 1}', '*rest']
)
def test_a_default_that_is_no_literal_is_kept_as_its_source_and_works_at_run_time(default):
    manager = HyperParameterManager('_').parse_source(f"_('x', {default})")
    assert isinstance(manager.get_value('x'), NotLiteralEvaluable)
    assert str(manager.get_value('x')) == default
    with pytest.raises(KeyError, match='known only when the code has run'):
        manager('x')
    assert manager('x', print) is manager('x') is manager.get_value('x') is print


def test_occurrences_know_their_place_default_and_hints():
    source = "_('width')\n\n_(\n    'width', 64, range=(1, 8), log=True)\n"
    manager = HyperParameterManager('_').parse_source(source, 'model.py')
    read, declared = manager.db.select(lambda row: row.name == 'width')
    assert (read.place, read.has_default_value, read.hints) == ('model.py:1', False, {})
    assert (declared.place, declared.value, declared.hints) == (
        'model.py:3',
        64,
        {'range': (1, 8), 'log': True},
    )
    assert manager.get_occurrence('width') is declared


@pytest.mark.parametrize('name', ['name', "f'x'", "'x' + 'y'", '1', "b'x'", "*['x']", 'None'])
def test_a_name_must_be_a_literal_string(name):
    with pytest.raises(NotLiteralNameException, match=r'model\.py:2: the name in'):
        HyperParameterManager('_').parse_source(f'\n_({name}, 1)', 'model.py')


@pytest.mark.parametrize('call', ['_()', "_('x', 1, 2)", "_(name='x')"])
def test_there_are_one_or_two_positional_arguments(call):
    with pytest.raises(DeclarationError, match=r'model\.py:1: .*positional arguments'):
        HyperParameterManager('_').parse_source(call, 'model.py')


@pytest.mark.parametrize(('hint', 'named'), [('type=dict', 'type'), ('**hints', r'\*\*')])
def test_hints_must_be_literals(hint, named):
    with pytest.raises(NotLiteralEvaluable, match=rf'model\.py:1: hint `{named}` of `x`'):
        HyperParameterManager('_').parse_source(f"_('x', 1, {hint})", 'model.py')


def test_two_defaults_are_shown_with_both_places(tmp_path):
    (tmp_path / 'a.py').write_text("\nwidth = _('width', 64)\n")
    (tmp_path / 'b.py').write_text("\n\nother = _('width', 64)\n")
    with pytest.raises(DoubleAssignmentException) as caught:
        HyperParameterManager('_').parse_file(tmp_path)
    for line in (
        '`width`',
        'a.py:2\n',
        "==> 2: width = _('width', 64)",
        'b.py:3\n',
        "==> 3: other = _('width', 64)",
    ):
        assert line in str(caught.value)


def test_a_name_that_is_leaf_and_tree_is_shown_with_all_places():
    with pytest.raises(ImpossibleTree, match=r'`a.b`.*\(model\.py:2, model\.py:1\)'):
        HyperParameterManager('_').parse_source("_('a.b', 1)\n_('a')", 'model.py')


def test_an_error_leaves_the_manager_as_it_was():
    manager = HyperParameterManager('_').parse_source("_('a', 1)")
    for wrong in (
        "_('b', 1)\n_('b', 2)",
        "_('b', 1)\n_('a.c', 2)",
        "_('b', 1)\n_(c)",
        "_('b', 1",
        "_('a', 2)",
    ):
        with pytest.raises(DeclarationError):
            manager.parse_source(wrong)
        assert manager.get_values() == {'a': 1}


# Aliases


@pytest.mark.parametrize(
    'source',
    [
        "hello = _\nhello('x', 1)",
        "a = b = _\nb('x', 1)",
        "a, (b, c) = 1, (2, _)\nc('x', 1)",
        "a: object = _\na('x', 1)",
        "(a := _)('x', 1)",
        "[a := _]\na('x', 1)",
        "[a := _ for b in c]\na('x', 1)",
        "a = _ if 1 else _\na('x', 1)",
        "a = _\nb = a\ndef f():\n    c = b\n    return c('x', 1)",
        "def f(hp=_):\n    hp('x', 1)",
        "f = lambda hp=_: hp('x', 1)",
        "def f(*, hp=_):\n    hp('x', 1)",
        "def f():\n    global h\n    h = _\nh('x', 1)",
        "def f():\n    h = _\n    def g():\n        nonlocal h\n        h = _\n    h('x', 1)",
        "class A:\n    hp = _\n    x = hp('x', 1)",
    ],
)
def test_aliases_are_followed(source):
    assert parse(IMPORT + source) == parse(source) == {'x': 1}


@pytest.mark.parametrize(
    'source',
    [
        "from sweeper.m import _ as h\nh('x', 1)",
        "import sweeper.m as m\nm._('x', 1)",
        "import sweeper.m\nsweeper.m._('x', 1)",
        "import sweeper\nsweeper.m._('x', 1)",
        "import sweeper as s\ns.m._('x', 1)",
        "from sweeper import m as params\nh = params._\nh('x', 1)",
        "def f():\n    from sweeper.m import _ as h\n    return [h('x', 1) for i in range(3)]",
        "from sweeper.declare import HyperParameterManager\nhp = HyperParameterManager('_')\nhp('x', 1)",
        "from sweeper import declare\nhp = declare.HyperParameterManager('_')\nhp('x', 1)",
    ],
)
def test_imports_under_other_names_are_followed(source):
    assert parse(source) == {'x': 1}


@pytest.mark.parametrize(
    'source', ["from sweeper.m import hp as _\n_('x', 1)", "from sweeper.m import hp\n_ = hp\n_('x', 1)"]
)
def test_a_call_belongs_to_the_manager_that_the_name_stands_for(source):
    assert parse(source) == {}
    assert parse(source, 'hp') == {'x': 1}


def test_a_manager_that_is_stored_in_an_attribute_is_doubted_with_its_line():
    values, messages = doubts(
        IMPORT + "class A:\n    def f(self):\n        self.hp = _\n        self.hp('x', 1)"
    )
    assert values == {}
    assert messages[0].startswith('model.py:4: `self.hp = _`')


# Shadowing


@pytest.mark.parametrize(
    'source',
    [
        "from gettext import gettext as _\n_('Hello')\n_('x', 1)",
        "import gettext\n_ = gettext.gettext\n_('Hello %s' % name)",
        "def _(text): return text\n_('Hello')",
        "for _ in range(3): print(_('x', 1, 2, 3))",
        '_ = lambda x: x\n_(name)',
        "try: f()\nexcept E as _: _('x', 1)",
        "with f() as _: _('x', 1)",
        "class _: pass\n_('x', 1)",
        "import numpy as _\n_('x', 1)",
        "match a:\n    case [*_, 1]: pass\n    case {'a': 1, **rest}: rest('x', 1)",
        "a = b\nb = a\n_ = a\n_('x', 1)",
    ],
)
def test_a_name_that_is_bound_to_something_else_is_not_taken(source):
    assert parse(source) == {}


@pytest.mark.parametrize(
    ('source', 'line'),
    [
        ("def f(_):\n    return _('x', 1)", 2),
        ("def f():\n    for _ in range(3):\n        _('x', 1)", 3),
        ("def f():\n    _ = None\n    return _('x')", 3),
        ("[_('x', 1) for _ in fs]", 2),
        ("def f():\n    def _(x): pass\n    _('x', 1)", 3),
        ("f = lambda _: _('x', 1)", 2),
        ("def f():\n    def g():\n        nonlocal _\n        _ = 1\n    _ = 2\n    _('x', 1)", 5),
    ],
)
def test_a_name_that_hides_the_manager_is_doubted_with_its_line(source, line):
    values, messages = doubts(IMPORT + source)
    assert values == {}
    assert 'is no manager here' in messages[0]
    assert f'line {line}' in messages[0] or f', {line}' in messages[0]


@pytest.mark.parametrize(
    'source',
    [
        "for _ in range(3): pass\n_('x', 1)",
        "def _(x, y): pass\n_('x', 1)",
        "def f():\n    global _\n    _ = 1\n_('x', 1)",
        "try: pass\nexcept ImportError: _ = None\ndef f(): _('x', 1)",
        "[_ := 1]\n_('x', 1)",
        "_ += 1\n_('x', 1)",
    ],
)
def test_a_name_bound_to_the_manager_and_to_something_else_is_taken_and_doubted(source):
    values, messages = doubts(IMPORT + source)
    assert values == {'x': 1}
    assert 'also bound to something else' in messages[0]


def test_names_that_are_bound_to_each_other_mean_the_same():
    source = "a = b\na = 1\nb = a\nb = _\na('x', 1)\nb('y', 2)"
    values, messages = doubts(source)
    assert values == {'x': 1, 'y': 2}
    assert len(messages) == 2


def test_a_doubtful_call_that_is_no_parameter_is_no_error():
    assert parse(f'{IMPORT}for _ in fs: _(name, 1, 2)') == {}


def test_scopes_do_not_leak():
    source = """
        from sweeper.m import _
        def f():
            for _ in range(3): pass
        class A:
            def _(self): pass
            def g(self): return _('x', 1)
        def h(): return [_ for _ in range(3)]
        _('y', 2)
    """
    assert parse(source) == {'x': 1, 'y': 2}


# Other modules


def files(folder, **texts):
    """Writes modules; `a_of_b` is `a/b.py`."""
    for name, text in texts.items():
        path = folder / f'{name.replace("_of_", "/")}.py'
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    return folder


def parsed_files(paths):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        return HyperParameterManager('_').parse_file(paths).get_values()


@pytest.mark.parametrize('path', ['main', 'scripts_of_main', 'package_of_inner', 'package_of_deep_of_main'])
@pytest.mark.parametrize('config', ['from sweeper.m import _', 'from sweeper.m import hp, _ as q\n_ = q'])
def test_a_manager_is_followed_through_a_module_of_the_project(tmp_path, path, config):
    files(tmp_path, config=config, package_of___init__='', package_of_deep_of___init__='')
    files(tmp_path, **{path: "from config import _\n_('x', 1)"})
    assert parsed_files(tmp_path) == {'x': 1}


def test_relative_imports_are_followed_too(tmp_path):
    files(
        tmp_path,
        package_of___init__='from .config import _',
        package_of_config='from sweeper.m import _',
        package_of_a="from .config import _\n_('a', 1)",
        package_of_b="from . import _\n_('b', 2)",
    )
    assert parsed_files(tmp_path / 'package') == {'a': 1, 'b': 2}


def test_a_function_of_the_project_is_not_taken(tmp_path):
    files(tmp_path, texts='def _(text): return text', main="from texts import _\n_('x', 1)\n_(name)")
    assert parsed_files(tmp_path) == {}


def test_modules_that_import_each_other_end(tmp_path):
    files(tmp_path, a="from b import _\n_('x', 1)", b='from a import _')
    with pytest.warns(DeclarationWarning):
        HyperParameterManager('_').parse_file(tmp_path)


def test_what_comes_from_elsewhere_is_not_taken_and_doubted_if_it_looks_like_a_parameter():
    assert parse("from i18n import _\n_('Hello')") == {}
    values, messages = doubts("from hpman.m import _\n_('x', 1)")
    assert values == {}
    assert messages == [
        "model.py:2: `_('x', 1)` is not taken for a parameter: `_` comes from `hpman.m`, "
        'which is not among the sources; import it from sweeper.m'
    ]


# Files


def test_each_file_is_parsed_once_and_anew_when_asked_again(tmp_path, monkeypatch):
    monkeypatch.chdir(files(tmp_path, main="_('x', 1)"))
    (tmp_path / 'link').symlink_to(tmp_path)
    manager = HyperParameterManager('_').parse_file(['main.py', tmp_path, 'link', 'link/main.py'])
    assert manager.get_values() == {'x': 1}
    (tmp_path / 'main.py').write_text("_('y', 2)")
    assert manager.parse_file(tmp_path).get_values() == {'y': 2}
    (tmp_path / 'main.py').write_text('nothing')
    assert manager.parse_file(tmp_path).get_values() == {}


def test_hidden_folders_and_environments_are_left_out(tmp_path):
    files(tmp_path, main="_('x', 1)", venv_of_lib="_('x', 2)", _cache='')
    (tmp_path / 'venv/pyvenv.cfg').touch()
    (tmp_path / '.hidden').mkdir()
    (tmp_path / '.hidden/a.py').write_text("_('x', 3)")
    (tmp_path / 'notes.txt').write_text("_('x', 4)")
    assert parsed_files(tmp_path) == {'x': 1}


def test_what_cannot_be_of_interest_is_not_parsed_unless_it_is_asked_for(tmp_path):
    files(tmp_path, main="_('x', 1)", broken='this is (no Python')
    assert parsed_files(tmp_path) == {'x': 1}
    with pytest.raises(SyntaxError, match=r'broken\.py:1'):
        parsed_files([tmp_path / 'main.py', tmp_path / 'broken.py'])


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='nowhere') as caught:
        HyperParameterManager('_').parse_file([tmp_path, tmp_path / 'nowhere'])
    assert isinstance(caught.value, SourceError)
    with pytest.raises(DeclarationError, match='3 is no path'):
        HyperParameterManager('_').parse_file([3])


@pytest.mark.parametrize(
    'data',
    [
        "_('x', 'ä')\n".encode(),
        "\ufeff_('x', 'ä')\r\n".encode(),
        "# coding: latin-1\n_('x', 'ä')\n".encode('latin-1'),
        "#!/usr/bin/python\r# -*- coding: cp1252 -*-\r_('x', 'ä')\r".encode('cp1252').replace(b'\r', b'\r\n'),
    ],
    ids=['utf-8', 'byte order mark', 'latin-1', 'cp1252 and CRLF'],
)
def test_files_are_read_in_their_encoding(tmp_path, data):
    (tmp_path / 'a.py').write_bytes(data)
    assert parsed_files(tmp_path) == {'x': 'ä'}


@pytest.mark.parametrize(
    ('data', 'error'),
    [
        (b"_('x', 1", 'was never closed'),
        (b"_('x', 1)\n\x00", 'null'),
        (b"_('x', '\xff')", 'encoding'),
        (b"_('x', 1)\n\n\n'\xff'", 'cannot be decoded'),
        (b"# coding: nothing\n_('x', 1)", 'unknown encoding'),
        (b"# coding: rot13\n_('x', 1)", 'rot13'),
        (b"_('x', " + b'(' * 5000 + b')' * 5000 + b')', 'a.py'),
        (b"_('x', " + b'-' * 50_000 + b'1)', 'nested too deeply'),
        (b"_('x', 1)\nx = a" + b'.b' * 50_000, 'a.py'),
        (b"_('x', 1)\nif 1:\nx", 'expected an indented block'),
    ],
)
def test_what_cannot_be_parsed_is_an_error_of_ours_that_names_the_file(tmp_path, data, error):
    (tmp_path / 'a.py').write_bytes(data)
    with pytest.raises(SourceError, match=error) as caught:
        HyperParameterManager('_').parse_file(tmp_path)
    assert 'a.py' in str(caught.value)


def test_aliases_of_aliases_without_end_are_an_error_of_ours():
    chain = '\n'.join(f'a{n + 1} = a{n}' for n in range(5000))
    with pytest.raises(SourceError, match=r'model\.py: names or values are nested too deeply'):
        HyperParameterManager('_').parse_source(f"a0 = _\n{chain}\na5000('x', 1)", 'model.py')


def test_long_sums_are_not_too_deep():
    assert parse("_('x', 1)\ny = " + ' + '.join(['1'] * 900)) == {'x': 1}


# Nothing is run


ATTACKS = [
    "_('x', open({path!r}, 'w'))",
    "_('x', 1, hint=open({path!r}, 'w'))",
    "_(open({path!r}, 'w'), 1)",
    "_ = open({path!r}, 'w')",
    "@open({path!r}, 'w')\ndef f(): pass",
    "class A(metaclass=open({path!r}, 'w')): pass",
    "_('x', f'{{open({path!r}, \"w\")}}')",
    "_('x', __import__('pathlib').Path({path!r}).touch())",
    'from sweeper.m import _',
    "_('y', 2)",
    "import sweeper.m as m\nm._('z', 3)",
]
PIECES = st.sampled_from(
    [
        *"_()[]{}'\"=,.:*@#\\\n\t ", '    ', '_(', "_('x'", "'x'", ', 1)', 'def ', 'class ', 'lambda',
        'import ', 'from ', 'sweeper.m', ' as ', 'for ', ' in ', 'global ', 'nonlocal ', 'match ', 'case ',
        'if ', ':=', 'async ', 'await ', 'yield ', 'f"{', '}"', '# coding: x\n', '\r', '\x00', '\x0c',
        '\ufeff', 'é', '\ud800', '1e999', '0x', '{[]: 1}',
    ]
)  # fmt: skip


@given(st.lists(st.one_of(st.sampled_from(ATTACKS), PIECES, st.text(max_size=5)), max_size=30).map(''.join))
def test_no_source_is_run_or_raises_anything_but_our_errors(tmp_path_factory, source):
    target = tmp_path_factory.getbasetemp() / 'was run'
    source = source.replace('{path!r}', repr(str(target))).replace('{{', '{').replace('}}', '}')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', DeclarationWarning)
        for read in (_as_text, _as_file):
            with suppress(DeclarationError):
                read(source, tmp_path_factory.getbasetemp())
            assert not target.exists()


def _as_text(source, _folder):
    HyperParameterManager('_').parse_source(source)


def _as_file(source, folder):
    path = folder / 'fuzzed.py'
    path.write_bytes(source.encode('utf-8', 'surrogatepass'))
    HyperParameterManager('_').parse_file(path)


@given(st.binary(max_size=200).map(lambda data: b'_(' + data))
def test_no_bytes_raise_anything_but_our_errors(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / 'bytes.py'
    path.write_bytes(data)
    with suppress(DeclarationError):
        HyperParameterManager('_').parse_file(path)


def write_project(folder, **files):
    for name, text in files.items():
        (folder / f'{name}.py').write_text(text)
    return HyperParameterManager('_').parse_file(folder)


@pytest.mark.parametrize(
    ('conf', 'net'),
    [
        ('from sweeper.m import _ as P', "from conf import P\nP('x', 1)"),
        ('from sweeper.m import _ as manager', "import conf\nconf.manager('x', 1)"),
        ('from sweeper.m import _ as manager', "import conf as c\nc.manager('x', 1)"),
        ('import sweeper.m\nP = sweeper.m._', "def f():\n    from conf import P as Q\n    return Q('x', 1)"),
    ],
)
def test_a_manager_that_another_module_passes_on_is_found_in_a_folder(tmp_path, conf, net):
    found = write_project(tmp_path, conf=conf, net=net, other='import net\nprint(net)')
    assert found.get_values() == {'x': 1}


def test_it_may_be_passed_on_twice(tmp_path):
    files = {'a_user': "from b_middle import R\nR('x', 1)", 'b_middle': 'from conf import P as R'}
    found = write_project(tmp_path, conf='from sweeper.m import _ as P', **files)
    assert found.get_values() == {'x': 1}


def test_a_manager_that_is_an_argument_is_warned_of(tmp_path):
    with pytest.warns(DeclarationWarning, match=r"net.py:2: `_\('x', 1\)` is not taken for a parameter"):
        found = write_project(tmp_path, net="def build(_):\n    return _('x', 1)\n")
    assert found.get_values() == {}
