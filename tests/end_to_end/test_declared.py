"""Parameters declared inside layers, swept without a line of sweep code in the problem."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sweeper import FixedSweep, ParamSelector, cli, load, m, sweep, train
from sweeper.api import PointFailedWarning
from sweeper.declare import DeclarationWarning
from sweeper.errors import DeclarationError, FolderError, InvalidArgument, InvalidPoint, ProblemError
from sweeper.frozen import freeze
from sweeper.options import selector_of
from sweeper.points import NamedPoint
from sweeper.report.document import FORMATS
from sweeper.store.store import Store

from ..conftest import SHORT

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LAYERS = """
import torch
from sweeper.m import _

def hidden():
    width = _('width', 4, choices=[2, 4])
    return torch.nn.Linear(4, width), width
"""
MODEL = """
from {layers} import hidden
from sweeper.m import _


def model({arguments}):
    layer, width = hidden()
    seen = dict(width=width, act=_('act', 'ReLU', choices=['ReLU', 'Tanh']), momentum=_('momentum'))
    seen |= {given}
    record(repr(seen))
    return torch.nn.Sequential(layer, getattr(torch.nn, seen['act'])(), torch.nn.Linear(width, 2))

def optimizer(parameters, lr):
    momentum = _('momentum', 0.5, range=(0.0, 0.9), role='nuisance')
    return torch.optim.SGD(parameters, lr, momentum=momentum)
"""
FAST = [*SHORT, '--sweep-cores', '1', '--trials', '1', '--progress', 'plain']


@pytest.fixture
def declaring(write_problem, tmp_path):
    """Writes a problem whose model() records what it reads; a layer is in a file of its own."""

    def write(arguments='', ending='', layers=LAYERS):
        problem = write_problem(model='', ending=ending)
        name = problem.name.replace('problem', 'sibling')
        (tmp_path / f'{name}.py').write_text(layers)
        problem.path.write_text(
            problem.text
            + MODEL.format(
                layers=name, arguments=arguments, given=f'dict({arguments}={arguments})' if arguments else {}
            )
        )
        return problem

    return write


def seen_by(problem):
    """What the models of a problem have read, in order."""
    return [eval(line) for line in problem.path.with_suffix('.calls').read_text().splitlines()]


def sweeper(*arguments):
    command = [sys.executable, '-m', 'sweeper', *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def final(folder, point=0):
    return json.loads((folder / f'points/{point}/hparams/final.json').read_text())


def test_the_command_line_sweeps_what_is_declared(declaring, tmp_path):
    problem, out = declaring(), tmp_path / 'out'
    done = sweeper('run', problem.path, '--declared', *FAST, '--out', out)
    assert done.returncode == 0, done.stderr
    points = [dict(result.params) for result in load(out)]
    assert points == [{'act': a, 'width': w} for a in ('ReLU', 'Tanh') for w in (2, 4)]
    calls = len(seen_by(problem))
    again = sweeper('run', problem.path, '--declared', *FAST, '--out', out)
    assert again.stdout == done.stdout and len(seen_by(problem)) == calls
    for point in range(4):
        assert 0 <= final(out, point)['nuisance']['momentum'] <= 0.9


def test_options_say_otherwise_than_the_code(declaring, tmp_path):
    problem, out = declaring('depth'), tmp_path / 'out'
    options = ['--declared', '--grid', 'depth=1,2', '--set', 'act=Tanh', '--set', 'momentum=0.3']
    done = sweeper('run', problem.path, *options, *FAST, '--out', out)
    assert done.returncode == 0, done.stderr
    points = [dict(result.params) for result in load(out)]
    assert points == [
        {'width': width, 'depth': depth, 'act': 'Tanh', 'momentum': 0.3}
        for width in (2, 4)
        for depth in (1, 2)
    ]
    assert 'nuisance' not in final(out)
    seen = seen_by(problem)
    assert {(one['act'], one['momentum']) for one in seen} == {('Tanh', 0.3)}
    assert {(one['width'], one['depth']) for one in seen} == {(2, 1), (2, 2), (4, 1), (4, 2)}


def test_set_alone_is_one_architecture():
    nothing = {
        'grid': [],
        'random': [],
        'point': [],
        'declared': False,
        'points': None,
        'trials': 2,
        'seed': 0,
    }
    selector = selector_of('any.py', settings=['width=2', 'sizes=[8, 8]'], **nothing)
    assert selector.points_and_trials() == [(NamedPoint(width=2, sizes=(8, 8)), 2)]


def test_the_command_line_gives_values_the_type_that_the_code_declares(declaring):
    path = str(declaring(layers=LAYERS + "    _('cfg', {'rate': 0.5, 'name': 'a'})\n").path)
    command = {'module': path, 'declared': False, 'points': 5, 'trials': 1, 'seed': 0}
    random = ['momentum=0..1', 'cfg.rate=1..9:log', 'act=1,relu']
    drawn = selector_of(random=random, grid=[], point=[], settings=['cfg.name=1'], **command)
    for point, _ in drawn.points_and_trials():
        assert [*map(type, point.values())] == [float, float, str, str]
    command['points'] = None
    chosen = selector_of(
        random=[], grid=["act='a,b',c"], point=["act='d,e',momentum=1"], settings=[], **command
    )
    assert [repr(point) for point, _ in chosen.points_and_trials()] == [
        "NamedPoint(act='a,b')", "NamedPoint(act='c')", "NamedPoint(act='d,e', momentum=1.0)"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'grid': ['widht=2']}, r'no code reads `widht`: model\(\) has no such argument'),
        ({'grid': ['width=3']}, '`width`: 3 is not among its choices 2, 4'),
        ({'grid': ['act=1']}, '`act`: 1 is not among its choices ReLU, Tanh'),
        (
            {'grid': ['momentum=0.5,1.5']},
            '`momentum`: 1.5 is not in its range: it must be a number from 0 to',
        ),
        ({'random': ['momentum=0..3'], 'points': 9}, 'is not in its range'),
        ({'settings': ['width']}, 'must be NAME=VALUE'),
        ({'settings': ['width=2'], 'grid': ['width=4']}, 'width is given twice'),
        ({'declared': True, 'points': 9}, 'the space is too small: it has 4 different points, not 9'),
        ({'points': 3}, 'goes with --random, --declared or --space'),
    ],
)
def test_wrong_input_is_refused_before_anything_is_trained(
    declaring, sweep_inline, tmp_path, options, message
):
    problem = declaring()
    none = {
        'grid': [],
        'random': [],
        'point': [],
        'declared': False,
        'settings': [],
        'points': None,
        'trials': 1,
        'seed': 0,
    }
    with pytest.raises(InvalidArgument, match=message):
        sweep_inline(problem.path, selector_of(str(problem.path), **none | options), tmp_path / 'out')
    assert not (tmp_path / 'out' / 'points').exists()
    assert not problem.path.with_suffix('.calls').exists()


def test_wrong_input_has_its_exit_code(declaring, tmp_path):
    done = sweeper('run', declaring().path, '--grid', 'widht=2', *FAST, '--out', tmp_path / 'out')
    assert done.returncode == cli.WRONG_INPUT
    assert 'did you mean `width`?' in ' '.join(done.stderr.split())


def test_two_defaults_are_refused_with_both_places(declaring, sweep_inline, tmp_path):
    problem = declaring(layers=LAYERS + "\ndef other():\n    return _('width', 8)\n")
    for selector in (
        lambda: FixedSweep.with_declared(problem.path, 1),
        FixedSweep.with_grid({'width': [2, 4]}, 1),
    ):
        with pytest.raises(
            (InvalidPoint, DeclarationError), match=r'(?s)`width` has 2 defaults.*sibling_\d+.py:6.*:10'
        ):
            sweep_inline(problem.path, selector, tmp_path / 'out')
    sweep_inline(problem.path, FixedSweep.with_grid({'act': ['ReLU']}, 1), tmp_path / 'out')


def test_a_problem_that_declares_nothing_to_compare_is_refused(write_problem, sweep_inline, tmp_path):
    problem = write_problem()
    with pytest.raises(
        InvalidArgument, match='declares nothing to be compared: give a parameter choices or a'
    ):
        sweep_inline(problem.path, lambda: FixedSweep.with_declared(problem.path, 1), tmp_path / 'out')


def test_a_problem_that_is_not_there_is_refused():
    with pytest.raises(ProblemError, match="cannot find the source of the problem 'no_such_module'"):
        FixedSweep.with_declared('no_such_module', 1)


def test_values_do_not_leak_from_one_run_to_the_next(declaring, sweep_inline, tmp_path):
    problem = declaring()
    points = [{'width': 2, 'act': 'Tanh'}, {'act': 'ReLU'}, {'width': 2}, {}, {'width': 4, 'momentum': 0.1}]
    for number, point in enumerate(points):  # all in one process
        before = len(seen_by(problem)) if number else 0
        sweep_inline(problem.path, FixedSweep([(point, 1)]), tmp_path / str(number))
        seen = seen_by(problem)[before:]
        for name, default in (('width', 4), ('act', 'ReLU')):
            assert {one[name] for one in seen} == {point.get(name, default)}
        tried = {one['momentum'] for one in seen}
        assert tried == {0.1} if 'momentum' in point else 0.5 in tried and len(tried) > 1


def test_results_are_the_same_in_this_process_and_in_workers_and_when_continued(declaring, tiny, tmp_path):
    problem = declaring()
    selector = {'width': [2, 4], 'act': ['Tanh']}
    files = {}
    for name, options in {
        'inline': {'executor': 'inline'},
        'local': {'executor': 'local', 'cores': 2},
        'lanes': {'executor': 'inline', 'step': 'lanes'},
    }.items():
        for trials in (0, 2) if name == 'local' else (2,):
            results = sweep(
                problem.path,
                FixedSweep.with_grid(selector, trials),
                2,
                tiny,
                tmp_path / name,
                progress='none',
                **options,
            )
        files[name] = [final(tmp_path / name, point) for point in (0, 1)], results
    assert files['inline'][0] == files['local'][0] == files['lanes'][0]
    for one, other in zip(files['inline'][1], files['local'][1], strict=True):
        assert one.params == other.params
        assert one.perf_val.tolist() == other.perf_val.tolist() and len(one.perf_val) == 2


def test_a_tuned_nuisance_value_is_what_trials_use_and_is_read_back(declaring, sweep_inline, tmp_path):
    problem, out = declaring(), tmp_path / 'out'
    sweep_inline(problem.path, FixedSweep.with_grid({'width': [2]}, 0), out)
    chosen = final(out)['nuisance']['momentum']
    before = len(seen_by(problem))
    sweep_inline(problem.path, FixedSweep.with_grid({'width': [2]}, 2), out)
    assert [one['momentum'] for one in seen_by(problem)[before:]] == [chosen] * 2


def test_a_nuisance_parameter_is_tuned_in_a_sweep_of_tuples_too(declaring, sweep_inline, tmp_path):
    problem = declaring('depth')
    sweep_inline(problem.path, FixedSweep([((1,), 1)]), tmp_path / 'out')
    assert 'momentum' in final(tmp_path / 'out')['nuisance']


UNUSED = LAYERS + "\ndef never_called():\n    return _('unused', 1, choices=[1, 2])\n"


@pytest.mark.parametrize('executor', ['inline', 'local'])
@pytest.mark.parametrize('values', [{'unused': [1, 2]}, {'unused': [1], 'width': [2, 4]}])
def test_a_parameter_that_nobody_reads_is_refused_before_training(
    declaring, sweep_inline, tmp_path, values, executor
):
    problem, out = declaring(layers=UNUSED), tmp_path / 'out'
    with pytest.raises(InvalidArgument, match=r'no architecture reads `unused` \(sibling_\d+.py:10\)'):
        sweep_inline(problem.path, FixedSweep.with_grid(values, 1), out, executor=executor)
    assert not (out / 'points').exists()


class Proposing(ParamSelector):
    """Proposes points one by one, so that a sweep cannot know them from the start."""

    def __init__(self, *points):
        self.left = list(points)

    def has_more_trials(self):
        return bool(self.left)

    def get_next_trials(self):
        return self.left.pop(0), 1


def test_a_parameter_that_nobody_asks_for_is_flagged(declaring, sweep_inline, tmp_path):
    problem, out = declaring(layers=UNUSED), tmp_path / 'out'
    results = sweep_inline(problem.path, Proposing({'unused': 1}, {'unused': 2}), out)
    assert ['unread' in results.flags[result.params] for result in results] == [True, True]
    misc = json.loads((out / 'points/0/hparams/misc.json').read_text())
    assert misc['unread'] == ['unused']


BRANCHES = (
    LAYERS
    + """
def deeper():
    return _('second', 3, choices=[3, 5]) if _('depth', 1, choices=[1, 2]) == 2 else 0
"""
)


@pytest.mark.parametrize('executor', ['inline', 'local'])
def test_points_that_differ_in_nothing_that_is_read_are_one_network(
    declaring, sweep_inline, tmp_path, executor
):
    problem, out = declaring(layers=BRANCHES), tmp_path / 'out'
    text = problem.path.read_text().replace('import hidden', 'import deeper, hidden')
    problem.path.write_text(text.replace('layer, width = hidden()', 'layer, width = hidden(); deeper()'))
    selector = {'depth': [1, 2], 'second': [3, 5]}
    for trials in (1, 2):  # and the same when it is continued
        results = sweep_inline(problem.path, FixedSweep.with_grid(selector, trials), out, executor=executor)
        points = [dict(result.params) for result in results]
        assert points == [{'depth': 1}, {'depth': 2, 'second': 3}, {'depth': 2, 'second': 5}]
        assert [len(result.perf_val) for result in results] == [trials] * 3
    assert re.search(r'\| 1 +\| \u2013 +\|', FORMATS['md'](Store.read(out)))


CONFIGURED = """
import torch
from sweeper.m import _

def hidden():
    cfg = _('cfg', {'width': 2, 'deep': {'act': 'ReLU', 'sizes': [1, 2]}})
    record(repr(cfg))
    act = getattr(torch.nn, cfg['deep']['act'])
    return torch.nn.Sequential(torch.nn.Linear(4, cfg['width']), act()), cfg['width']
"""
WHOLE = {'width': 2, 'deep': {'act': 'ReLU', 'sizes': [1, 2]}}


@pytest.fixture
def configured(write_problem):
    model = (
        CONFIGURED
        + """
def model():
    layer, width = hidden()
    return torch.nn.Sequential(layer, torch.nn.Linear(width, 2))
"""
    )
    return lambda: write_problem(model=model)


@pytest.mark.parametrize('executor', ['inline', 'local'])
def test_however_a_network_is_described_it_is_one_point(configured, sweep_inline, tmp_path, executor):
    problem, out = configured(), tmp_path / 'out'
    tanh = {'width': 2, 'deep': {'act': 'Tanh', 'sizes': [1, 2]}}
    same = [{'cfg.width': 2}, {}, {'cfg': WHOLE}, {'cfg': tanh, 'cfg.deep.act': 'ReLU'}]
    other = [{'cfg': tanh}, {'cfg.deep.act': 'Tanh'}, {'cfg': WHOLE, 'cfg.deep': tanh['deep']}]
    selector = FixedSweep([(point, 1) for point in (*same, *other)])
    results = sweep_inline(problem.path, selector, out, executor=executor)
    assert [dict(result.params) for result in results] == [{'cfg.width': 2}, {'cfg': freeze(tanh)}]
    assert {freeze(one) for one in seen_by(problem)} == {freeze(WHOLE), freeze(tanh)}
    # and that in the folder, in whatever order they come the next time
    again = FixedSweep([(point, 2) for point in (*reversed(other), *reversed(same))])
    results = sweep_inline(problem.path, again, out, executor=executor)
    assert {str(dict(result.params)): len(result.perf_val) for result in results} == {
        str({'cfg.width': 2}): 2,
        str({'cfg': freeze(tanh)}): 2,
    }


def test_a_tuned_or_preset_value_is_not_taken_for_the_default(declaring, sweep_inline, tmp_path, manager):
    manager.set_value('act', 'Tanh')
    points = [{'width': 2}, {'width': 2, 'act': 'ReLU'}, {'width': 2, 'momentum': 0.5}]
    results = sweep_inline(declaring().path, FixedSweep([(point, 1) for point in points]), tmp_path / 'out')
    assert [dict(result.params) for result in results] == points


def test_points_whose_model_fails_stay_as_they_are(declaring, sweep_inline, tmp_path):
    problem = declaring(layers=UNUSED)
    text = problem.path.read_text().replace('layer, width', "_('act') == 'Tanh' and 1 / 0; layer, width")
    problem.path.write_text(text)
    selector = FixedSweep.with_grid({'act': ['ReLU', 'Tanh'], 'unused': [1, 2]}, 1)
    with pytest.warns(PointFailedWarning):
        results = sweep_inline(problem.path, selector, tmp_path / 'out')
    assert [dict(result.params) for result in results] == [{'act': 'ReLU'}]
    assert [dict(one.params) for one in results.failures] == [{'act': 'Tanh', 'unused': n} for n in (1, 2)]


SIZED = """
from sweeper.m import _

{module}
def dataset():
    size = _('n', 64)
    inputs = torch.randn(96, 4, generator=torch.Generator().manual_seed(0))
    data = TensorDataset(inputs, (inputs[:, 0] > 0).long())
    return Subset(data, range(size)), Subset(data, range(64, 96))

def model():
    width = _('width', 4)
    return torch.nn.Sequential(torch.nn.Linear(4, width), torch.nn.ReLU(), torch.nn.Linear(width, 2))

class loss(torch.nn.CrossEntropyLoss):
    def __init__(self):
        record(('loss', _('smoothing', 0.0)))
        super().__init__(label_smoothing=_('smoothing'))
"""


@pytest.fixture
def sized(write_problem):
    return lambda module='': write_problem(dataset='', model='', loss='', ending=SIZED.format(module=module))


@pytest.mark.parametrize('executor', ['inline', 'local'])
def test_a_value_that_all_points_share_applies_to_the_data(sized, sweep_inline, tmp_path, executor):
    for name, values in {'set': {'n': [48]}, 'grid': {'n': [40], 'width': [2, 4]}}.items():
        selector = FixedSweep.with_grid(values, 1)
        sweep_inline(sized().path, selector, tmp_path / name, executor=executor)
        assert json.loads((tmp_path / name / 'sweep.json').read_text())['train_size'] == values['n'][0]


@pytest.mark.parametrize('executor', ['inline', 'local'])
@pytest.mark.parametrize('points', [[{'n': 32}, {'n': 48}], [{'n': 32}, {'width': 2}]])
def test_one_that_varies_in_the_data_is_refused_with_the_place(
    sized, sweep_inline, tmp_path, points, executor
):
    problem, out = sized(), tmp_path / 'out'
    message = r'`n` cannot be 32 .*dataset\(\) reads it \(problem_\d+.py:\d+\)'
    with pytest.raises(InvalidPoint, match=message):
        sweep_inline(problem.path, FixedSweep([(point, 1) for point in points]), out, executor=executor)
    with pytest.raises(InvalidPoint, match=message):
        sweep_inline(problem.path, Proposing(*points), out, executor=executor)
    assert not (out / 'points').exists()


@pytest.mark.parametrize('executor', ['inline', 'local'])
def test_what_a_function_reads_when_its_module_is_imported_is_refused(
    sized, sweep_inline, tmp_path, executor
):
    problem = sized("def read():\n    return _('early', 1)\nEARLY = read()\n")
    selector = FixedSweep.with_grid({'early': [2]}, 1)
    with pytest.raises(InvalidPoint, match=r'`early` cannot be 2 .*the import of its module reads it'):
        sweep_inline(problem.path, selector, tmp_path / 'out', executor=executor)


def test_the_loss_reads_each_points_value(sized, sweep_inline, tmp_path):
    problem = sized()
    sweep_inline(problem.path, FixedSweep.with_grid({'smoothing': [0.0, 0.5]}, 1), tmp_path / 'out')
    assert {eval(call) for call in problem.calls} == {('loss', 0.0), ('loss', 0.5)}


@pytest.fixture
def manager():
    yield m._
    m._.reset()


@pytest.mark.parametrize('executor', ['inline', 'local'])
def test_what_was_set_before_is_used_everywhere_and_recorded(
    declaring, sweep_inline, tmp_path, manager, executor
):
    problem, out = declaring(), tmp_path / 'out'
    manager.set_values({'act': 'Tanh', 'momentum': 0.25, 'of the program': 3})
    selector = FixedSweep.with_grid({'width': [2, 4]}, 1)
    sweep_inline(problem.path, selector, out, executor=executor)
    seen = {(one['act'], one['momentum'], one['width']) for one in seen_by(problem)}
    assert seen == {('Tanh', 0.25, 2), ('Tanh', 0.25, 4)}
    assert json.loads((out / 'sweep.json').read_text())['values'] == {'act': 'Tanh', 'momentum': '0.25'}
    assert 'nuisance' not in final(out)
    manager.set_value('act', 'ReLU')
    with pytest.raises(FolderError, match='value of the parameter act: Tanh there, ReLU asked'):
        sweep_inline(problem.path, selector, out, executor=executor)
    assert manager.get_value('act') == 'ReLU'  # what the program has set is left alone


def test_a_value_that_no_process_can_be_told_is_refused(declaring, sweep_inline, tmp_path, manager):
    manager.set_value('act', lambda: 0)
    with pytest.raises(DeclarationError, match='`act` was set to <function'):
        sweep_inline(declaring().path, FixedSweep.with_grid({'width': [2]}, 1), tmp_path / 'out')


def test_what_cannot_be_told_is_warned_of(declaring, sweep_inline, tmp_path):
    layers = LAYERS + "\ndef odd(flag):\n    if flag:\n        _ = print\n    return _('odd', 1)\n"
    problem = declaring(layers=layers + '\nclass Holder:\n    hp = None\nHolder.hp = _\n')
    with pytest.warns(DeclarationWarning, match='calls through it are not seen'):
        sweep_inline(problem.path, FixedSweep.with_grid({'width': [2]}, 0), tmp_path / 'out')


def test_train_takes_declared_parameters(declaring, tiny, tmp_path):
    problem = declaring()
    result = train(
        problem.path, {'width': 2}, tmp_path / 'out', tiny, executor='inline', progress='none', cores=1
    )
    assert result.params == NamedPoint(width=2)
    assert {one['width'] for one in seen_by(problem)} == {2}


def test_the_problem_of_the_guide_is_swept(sweep_inline, tmp_path):
    blocks = re.findall(
        r'```python\n(# digits.py\n.*?)```', (ROOT / 'docs/parameters.md').read_text(), re.DOTALL
    )
    path = tmp_path / 'problem_of_the_guide.py'
    path.write_text(blocks[0])
    assert len(FixedSweep.with_declared(path, 1).points_and_trials()) == 3 * 2 * 3
    results = sweep_inline(path, FixedSweep.with_declared(path, 1, points=2), tmp_path / 'out')
    assert [*map(set, (result.params for result in results))] == [{'width', 'activation', 'depth'}] * 2
    assert [set(values) for values in results.nuisance.values()] == [{'momentum'}] * 2


def test_many_combinations_are_drawn_from(declaring):
    layers = LAYERS + (
        "\ndef more():\n    return _('a', 1, range=(1, 60)), _('b', 0.1, range=(0.01, 1.0), log=True), "
        "_('c', 64, range=(16, 1024), log=True)\n"
    )
    problem = declaring(layers=layers)
    proposed = FixedSweep.with_declared(problem.path, 2).points_and_trials()
    assert len(proposed) == 10 and all(trials == 2 for _, trials in proposed)
    for point, _ in FixedSweep.with_declared(problem.path, 1, points=200, seed=1).points_and_trials():
        assert point.keys() == {'width', 'act', 'a', 'b', 'c'}
        assert 1 <= point['a'] <= 60 and 0.01 <= point['b'] <= 1 and 16 <= point['c'] <= 1024
        assert type(point['a']) is type(point['c']) is int
    few = FixedSweep.with_declared(problem.path, 1, values={'a': [1], 'b': [0.1], 'c': (1, 4)})
    assert len(few.points_and_trials()) == 16
    drawn = [p['c'] for p, _ in FixedSweep.with_declared(problem.path, 1, points=200).points_and_trials()]
    assert 60 < sum(value < 128 for value in drawn) < 140  # half of the ratios, an eighth of the numbers


def test_the_command_line_loads_what_a_program_saved(declaring, tmp_path):
    problem, out, file = declaring(), tmp_path / 'out', tmp_path / 'best.json'
    file.write_text('{"width": 2, "act": "Tanh", "momentum": 0.25}')
    options = ['--grid', 'width=4', '--load', file, *FAST, '--out', out]
    done = sweeper('run', problem.path, *options)
    assert done.returncode == 0, done.stderr
    assert {(one['act'], one['momentum'], one['width']) for one in seen_by(problem)} == {('Tanh', 0.25, 4)}
    file.write_text('{"act": "ReLU"}')
    assert sweeper('run', problem.path, *options).returncode == cli.WRONG_INPUT
    file.write_text('{"atc": "ReLU"}')
    assert 'did you mean `act`?' in ' '.join(sweeper('run', problem.path, *options).stderr.split())


def test_with_nothing_to_vary_it_trains_what_the_loaded_values_make(declaring, tmp_path):
    problem, out, file = declaring(), tmp_path / 'out', tmp_path / 'best.json'
    file.write_text('{"width": 2, "act": "Tanh", "momentum": 0.25}')
    done = sweeper('run', problem.path, '--load', file, *FAST, '--out', out)
    assert done.returncode == 0, done.stderr
    assert {(one['act'], one['momentum'], one['width']) for one in seen_by(problem)} == {('Tanh', 0.25, 2)}
    assert [result.params for result in load(out)] == [()]


def test_a_hint_that_means_nothing_is_warned_of(declaring, sweep_inline, tmp_path):
    problem = declaring(layers=LAYERS.replace('choices=[2, 4]', 'choices=[2, 4], rnage=(1, 2)'))
    with pytest.warns(DeclarationWarning, match=r"sibling_\d+.py:6: hint 'rnage' .*did you mean `range`"):
        sweep_inline(problem.path, FixedSweep.with_grid({'width': [2]}, 0), tmp_path / 'out')
