"""Options for declared parameters, in a parser of argparse."""

import argparse
import pickle

import pytest
import yaml

from sweeper import SweepError
from sweeper.declare import DeclarationError, DeclarationWarning, HyperParameterManager, bind
from sweeper.errors import InvalidArgument

SOURCE = """
_('width', 64)
_('learning_rate', 1e-3, help='of every step; 100% of it')
_('name', 'net')
_('use_resnet', True)
_('sizes', [8, 16])
_('kernel', (3, 3))
_('scale', {'x': 1.0})
_('optimizer.kind', 'adam', choices=['adam', 'sgd'])
_('dropout', 0, range=(0.0, 0.5))
_('depth', type='int')
_('anything', None)
_('activation', nn.ReLU)
"""


@pytest.fixture
def manager():
    return HyperParameterManager('_').parse_source(SOURCE, 'model.py')


@pytest.fixture
def parse(manager):
    """Parses arguments with a parser that is bound to the manager."""

    def parse_arguments(*arguments, **options):
        parser = argparse.ArgumentParser(prog='program')
        parser.add_argument('file', nargs='?')
        bind(parser, manager, **options)
        return parser.parse_args(arguments)

    return parse_arguments


@pytest.mark.parametrize(
    ('arguments', 'name', 'value'),
    [
        (['--width', '32'], 'width', 32),
        (['--learning-rate=1e-4'], 'learning_rate', 1e-4),
        (['--learning-rate', '1'], 'learning_rate', 1.0),
        (['--name', '12'], 'name', '12'),
        (['--use-resnet', 'false'], 'use_resnet', False),
        (['--use-resnet', 'YES'], 'use_resnet', True),
        (['--use-resnet'], 'use_resnet', True),
        (['--no-use-resnet'], 'use_resnet', False),
        (['--sizes', '[1, 2]'], 'sizes', [1, 2]),
        (['--kernel', '[5, 5]'], 'kernel', (5, 5)),
        (['--kernel', '5, 5'], 'kernel', (5, 5)),
        (['--scale', "{'y': 2}"], 'scale', {'y': 2}),
        (['--optimizer.kind', 'sgd'], 'optimizer.kind', 'sgd'),
        (['--dropout', '0.25'], 'dropout', 0.25),
        (['--depth', '3'], 'depth', 3),
        (['--anything', '[1]'], 'anything', [1]),
        (['--anything', 'word'], 'anything', 'word'),
        (['--activation', 'gelu'], 'activation', 'gelu'),
    ],
)
def test_an_option_sets_its_parameter_in_the_type_that_it_has(parse, manager, arguments, name, value):
    parsed = parse(*arguments)
    found = manager(name)
    assert (found, type(found)) == (value, type(value))
    assert getattr(parsed, name) == value


@pytest.mark.parametrize(
    ('arguments', 'error'),
    [
        (['--width', 'x'], 'argument --width: x is not a whole number'),
        (['--width', '1.5'], '1.5 is not a whole number'),
        (['--use-resnet', 'maybe'], 'maybe is neither true nor false'),
        (['--sizes', '1'], '1 is not a list'),
        (['--sizes', '[open("x")]'], 'is not a list as Python writes it'),
        (['--scale', '[1]'], '[1] is not a dict'),
        (['--optimizer.kind', 'adm'], "invalid choice: 'adm'"),
        (['--nothing', '1'], 'unrecognized arguments: --nothing'),
        (['--hp-load', 'nowhere.yaml'], 'cannot read nowhere.yaml'),
        (['--hp-save', 'values.txt'], 'cannot tell the format of values.txt'),
        (['--hp-save', '/nowhere/at/all.json', '--hp-serial-format', 'xml'], "invalid choice: 'xml'"),
    ],
)
def test_what_cannot_be_is_an_error_of_the_parser(parse, manager, capsys, arguments, error):
    with pytest.raises(SystemExit) as caught:
        parse(*arguments)
    assert caught.value.code == 2
    assert error in capsys.readouterr().err


def test_without_options_nothing_is_set_and_the_namespace_has_the_defaults(parse, manager):
    before = manager.get_values()
    parsed = parse('file')
    assert manager.get_values() == before
    assert (parsed.file, parsed.width, parsed.depth, parsed.activation) == ('file', 64, None, None)
    actions = {'hp_save', 'hp_load', 'hp_list', 'hp_detail', 'hp_serial_format', 'hp_exit'}
    assert vars(parsed).keys() == {'file', *actions, *(node.name for node in manager.get_nodes())}
    assert manager('width', 8) == 8  # a run-time default still counts before the parsed one


def test_what_was_set_before_is_the_default(parse, manager, capsys):
    manager.set_value('width', 5)
    assert parse().width == 5
    with pytest.raises(SystemExit):
        parse('-h')
    shown = ' '.join(capsys.readouterr().out.split())
    assert '--width WIDTH (default: 5)' in shown
    assert 'of every step; 100% of it (default: 0.001)' in shown
    assert '--activation ACTIVATION (default: nn.ReLU)' in shown
    assert '--depth DEPTH (default: none)' in shown


def test_what_is_required_is_asked_for_unless_a_file_has_it(capsys, tmp_path):
    manager = HyperParameterManager('_').parse_source("_('big_width', 1, required=True)")
    parser = argparse.ArgumentParser()
    bind(parser, manager)
    with pytest.raises(SystemExit):
        parser.parse_args([])
    assert 'the following are required: --big-width' in capsys.readouterr().err
    assert parser.parse_args(['--big-width', '2']).big_width == 2
    (tmp_path / 'a.json').write_text('{"big_width": 3}')
    assert parser.parse_args(['--hp-load', str(tmp_path / 'a.json')]).big_width == 3
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(['--hp-list', 'json'])
    assert caught.value.code == 0


# Files


@pytest.mark.parametrize('suffix', ['yaml', 'yml', 'json', 'pkl', 'pickle'])
def test_what_is_saved_can_be_loaded(parse, manager, tmp_path, suffix):
    path = tmp_path / f'values.{suffix}'
    parse('--width', '1', '--kernel', '(1, 1)', '--scale', "{'z': 2.0}", '--hp-save', str(path))
    saved = manager.get_values()
    manager.reset()
    form = ['--hp-serial-format', 'pickle'] if suffix.startswith('p') else []
    parse('--hp-load', str(path), *form)
    for name in ('width', 'kernel', 'scale', 'learning_rate', 'optimizer.kind', 'use_resnet'):
        assert (manager(name), type(manager(name))) == (saved[name], type(saved[name]))


def test_options_count_before_a_file_wherever_they_stand_and_are_saved(parse, manager, tmp_path):
    (tmp_path / 'old.yaml').write_text('width: 1\nlearning_rate: 1e-4\noptimizer:\n  kind: sgd\n')
    parse('--width', '2', '--hp-save', str(tmp_path / 'new.yaml'), '--hp-load', str(tmp_path / 'old.yaml'))
    assert [manager(name) for name in ('width', 'learning_rate', 'optimizer.kind')] == [2, 1e-4, 'sgd']
    new = yaml.safe_load((tmp_path / 'new.yaml').read_text())
    assert (new['width'], new['learning_rate'], new['optimizer']) == (2, 1e-4, {'kind': 'sgd'})
    assert 'activation' not in new  # only the code knows it


@pytest.mark.parametrize(
    ('text', 'error'),
    [
        ('widht: 1', '`widht` is not declared anywhere: did you mean `width`?'),
        ('width: wide', '`width`: wide is not a whole number'),
        ('width: {a: 1}', "`width`: {'a': 1} is not a whole number"),
        ('optimizer: {kind: lion}', '`optimizer.kind`: lion is not among its choices adam, sgd'),
        ('optimizer: adam', '`optimizer` is not declared anywhere'),
        ('- 1', 'must hold names and values'),
        ('a: [', 'is not yaml'),
        ('a: 1\na: 2', 'line 2: a is given a second time (first in line 1)'),
        ('a: !!python/object/apply:os.getcwd []', 'is not yaml'),
    ],
)
def test_a_file_with_anything_wrong_changes_nothing(parse, manager, tmp_path, capsys, text, error):
    before = manager.get_values()
    path = tmp_path / 'a.yaml'
    path.write_text('name: other\n' * text.startswith(('w', 'o')) + text)
    with pytest.raises(SystemExit):
        parse('--hp-load', str(path))
    message = capsys.readouterr().err
    assert error in message
    assert 'a.yaml' in message
    assert manager.get_values() == before


class Trap:
    sprung = False

    def __reduce__(self):
        return setattr, (Trap, 'sprung', True)


def test_a_pickle_is_loaded_only_if_asked_for_by_name(parse, manager, tmp_path, capsys):
    path = tmp_path / 'a.pkl'
    path.write_bytes(pickle.dumps({'width': Trap()}))
    with pytest.raises(SystemExit):
        parse('--hp-load', str(path))
    assert 'can run any code' in capsys.readouterr().err
    (tmp_path / 'a.yaml').write_bytes(path.read_bytes())
    with pytest.raises(SystemExit):
        parse('--hp-load', str(tmp_path / 'a.yaml'))
    assert not Trap.sprung
    path.write_bytes(pickle.dumps({'width': 3}))
    assert parse('--hp-load', str(path), '--hp-serial-format', 'pickle').width == 3
    assert parse('--hp-load', str(path), serial_format='pickle').width == 3


# Listings


def test_listings_show_the_values_and_stop(parse, capsys):
    for form, start in (([], 'width: 7\nlearning_rate: 0.001\n'), (['json'], '{\n  "width": 7,')):
        with pytest.raises(SystemExit) as caught:
            parse('--width', '7', '--hp-list', *form)
        assert caught.value.code == 0
        assert capsys.readouterr().out.startswith(start)
    for arguments in (['--hp-list', 'detail'], ['--hp-detail']):
        with pytest.raises(SystemExit):
            parse('--width', '7', *arguments)
        assert "==> 2: _('width', 64)" in capsys.readouterr().out


def test_exit_stops_after_saving(parse, tmp_path):
    with pytest.raises(SystemExit) as caught:
        parse('--hp-save', str(tmp_path / 'a.json'), '--hp-exit')
    assert caught.value.code == 0
    assert (tmp_path / 'a.json').exists()


# What is bound


ALL = {'--hp-save', '--hp-load', '--hp-list', '--hp-detail', '--hp-serial-format', '--hp-exit'}


@pytest.mark.parametrize(
    ('actions', 'options'),
    [
        (True, ALL),
        (False, set()),
        ([], set()),
        (['save'], {'--hp-save', '--hp-serial-format', '--hp-exit'}),
        (('load',), {'--hp-load', '--hp-serial-format', '--hp-exit'}),
        (['list', 'detail'], {'--hp-list', '--hp-detail', '--hp-exit'}),
    ],
)
def test_actions_can_be_chosen(actions, options, manager):
    parser = argparse.ArgumentParser()
    bind(parser, manager, inject_actions=actions)
    shown = parser.format_usage()
    assert {option for option in ALL if f'[{option}' in shown} == options
    assert parser.parse_args(['--width', '3']).width == 3


def test_prefixes_can_be_chosen(parse, manager):
    assert parse('--model-width', '3', prefix='model-', action_prefix='my').width == 3
    with pytest.raises(SystemExit):
        parse('--my-exit', action_prefix='my')


@pytest.mark.parametrize(
    ('options', 'error'),
    [({'inject_actions': ['sav']}, "unknown 'sav'"), ({'serial_format': 'xml'}, "serial_format='xml'")],
)
def test_wrong_arguments_of_bind_are_named(manager, options, error):
    with pytest.raises(InvalidArgument, match=error):
        bind(argparse.ArgumentParser(), manager, **options)


def test_an_option_that_is_there_already_asks_for_a_prefix():
    manager = HyperParameterManager('_').parse_source("_('help', 1)")
    with pytest.raises(InvalidArgument, match='`help`: the parser has --help already; choose a prefix'):
        bind(argparse.ArgumentParser(), manager)
    parser = argparse.ArgumentParser()
    bind(parser, manager, prefix='my-')
    assert parser.parse_args(['--my-help', '2']).help == 2


def test_a_hint_type_that_is_none_names_its_place():
    manager = HyperParameterManager('_').parse_source("\n_('x', 1, type='integer')", 'model.py')
    with pytest.raises(DeclarationError, match=r"model\.py:2: hint type='integer' of `x`: valid are 'bool'"):
        bind(argparse.ArgumentParser(), manager)


def test_a_name_that_cannot_be_an_option_is_left_out_with_a_warning(tmp_path):
    manager = HyperParameterManager('_').parse_source(
        "_('.hpman is a good...man.', 1)\n_('x', 2)\n_('$a', 3)"
    )
    parser = argparse.ArgumentParser()
    with pytest.warns(DeclarationWarning) as caught:
        bind(parser, manager)
    assert len(caught) == 2
    assert caught[0].filename == __file__
    assert parser.parse_args(['--x', '3']).x == 3


def test_a_long_usage_with_odd_choices_is_shown(capsys):
    names = '\n'.join(
        f"_('parameter_number_{n}', ({n}, [1]), choices=[({n}, [1]), (2, [(3)])])" for n in range(30)
    )
    parser = argparse.ArgumentParser()
    bind(parser, HyperParameterManager('_').parse_source(names))
    parser.print_help()
    assert '--parameter-number-29' in capsys.readouterr().out
    assert parser.parse_args(['--parameter-number-3', '(2, [3])']).parameter_number_3 == (2, [3])


def test_subparsers_are_bound_like_any_parser(manager, capsys):
    other = HyperParameterManager('hp').parse_source("hp('width', 1)\nhp('beams', 2)")
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest='command')
    for name, parameters in (('train', manager), ('decode', other)):
        bind(commands.add_parser(name), parameters)
    parsed = parser.parse_args(['decode', '--width', '5'])
    assert (parsed.command, parsed.width, parsed.beams) == ('decode', 5, 2)
    assert (other('width'), manager('width')) == (5, 64)
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(['train', '--width', '6', '--hp-list'])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith('width: 6\n')
    with pytest.raises(SystemExit):
        parser.parse_args(['train', '--beams', '6'])


def test_a_parser_and_its_subparser_may_share_parameters(manager):
    parser = argparse.ArgumentParser()
    bind(parser, manager)
    bind(parser.add_subparsers().add_parser('train'), manager, inject_actions=False)
    parsed = parser.parse_args(['--width', '5', 'train', '--name', 'other'])
    assert (parsed.width, parsed.name, manager('width'), manager('name')) == (5, 'other', 5, 'other')
    assert manager.get_nodes()[1].priority.name == 'PARSED'


def test_known_arguments_can_be_parsed_and_the_rest_is_given_back(manager):
    parser = argparse.ArgumentParser()
    bind(parser, manager)
    parsed, rest = parser.parse_known_args(['--width', '3', '--other'])
    assert (parsed.width, rest) == (3, ['--other'])


def test_errors_of_the_files_are_ours(manager, tmp_path):
    from sweeper.declare.serial import load, save

    for wrong in (
        lambda: load(manager, tmp_path / 'a.toml'),
        lambda: save(manager, tmp_path / 'a.json', 'xml'),
    ):
        with pytest.raises(SweepError, match=r'format'):
            wrong()


def test_help_says_what_is_required_and_no_defaults_of_actions():
    manager = HyperParameterManager('_').parse_source("_('a', 1, required=True), _('b', 2)")
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    bind(parser, manager)
    for _time in range(2):
        text = parser.format_help()
        assert '[--b B]' in text and '[--a A]' not in text and 'None' not in text
        assert vars(parser.parse_args(['--a', '3'])) == {
            'a': 3, 'b': 2, 'hp_save': None, 'hp_load': None, 'hp_list': None, 'hp_detail': False,
            'hp_serial_format': 'auto', 'hp_exit': False,
        }  # fmt: skip
