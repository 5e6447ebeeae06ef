"""What one architecture does to its process does not reach the next, and results depend on no process."""

import subprocess
import sys

import pytest

from sweeper import FixedHyperparameters, FixedSweep, SweepListener, load
from sweeper.errors import FolderError, InvalidPoint, SelectorError
from sweeper.points import from_json

pytestmark = pytest.mark.slow

LONG = FixedHyperparameters(lr=0.1, batch_size=8, epochs=10)  # enough steps to be captured

MEDDLING = """
def model(kind):
    if kind == 'double':
        torch.set_default_dtype(torch.float64)
    if kind == 'no grad':
        torch.set_grad_enabled(False)
    return torch.nn.Linear(4, 2).float()
"""
SET_ORDER = """
def dataset():
    order = [int(word) for word in set(map(str, range(96)))]
    inputs = torch.randn(96, 4, generator=torch.Generator().manual_seed(0))[order]
    data = TensorDataset(inputs, (inputs[:, 0] > 0).long())
    return Subset(data, range(64)), Subset(data, range(64, 96))
"""
CACHING = """
class Caching(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 2)
        self.mask = None

    def forward(self, inputs):
        if self.mask is None or len(self.mask) < len(inputs):
            self.mask = torch.ones(len(inputs), 1)
        return self.linear(inputs) * self.mask[: len(inputs)]


def model(kind):
    return Caching()
"""
SHARED = """
LARGE = torch.eye(64, 512)
TENSORS = {'small': torch.eye(64), 'large': LARGE, 'sparse': torch.eye(64).to_sparse()}
WEIGHT = torch.tensor([1.0, 2.0])


class Graph(torch.nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.register_buffer('graph', TENSORS[kind])
        self.linear = torch.nn.Linear(4, 2)

    def forward(self, inputs):
        return self.linear(inputs) * torch.mm(self.graph, torch.ones(self.graph.shape[1], 1))[0]


def model(kind):
    return Graph(kind)


def loss():
    return torch.nn.CrossEntropyLoss(weight=WEIGHT)
"""


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('kind', ['small', 'large', 'sparse'])
def test_buffers_that_are_tensors_of_the_module_are_not_written_to(
    kind, write_problem, tmp_path, sweep_inline
):
    """Else each run would need a process of its own (inline, that is a warning), and steps were eager."""
    problem = write_problem(model=SHARED, loss='')
    results = sweep_inline(problem.path, FixedSweep([((kind,), 1)]), tmp_path / 'out', hparams=LONG)
    assert {trial.step for trial in results.trials[(kind,)].values()} == {'captured'}


def test_torchs_switches_are_put_back(write_problem, tmp_path, sweep_inline):
    import torch

    problem = write_problem(model=MEDDLING)
    selector = FixedSweep.with_fixed_trials([('double',), ('no grad',), ('plain',)], 1)
    with pytest.warns(UserWarning, match='no grad'):
        results = sweep_inline(problem.path, selector, tmp_path / 'out')
    assert [result.params for result in results] == [('double',), ('plain',)]
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()


def test_data_made_in_the_order_of_a_set_is_the_same_in_every_worker(write_problem, tmp_path, sweep_inline):
    problem = write_problem(dataset=SET_ORDER)
    losses = [
        sweep_inline(problem.path, FixedSweep([((3,), 2)]), tmp_path / str(i), executor='local', cores=2)[
            0
        ].loss_val.tolist()
        for i in range(2)
    ]
    assert losses[0] == losses[1]


OWN_KINDS = """
import enum
import sys


class Kind(enum.Enum):
    LINEAR = 1


def model(kind):
    return torch.nn.Linear(4, 2)


if __name__ == '__main__':
    from sweeper import FixedSweep, HyperparameterSettings, sweep

    out, settings = Path(sys.argv[1]), HyperparameterSettings(**eval(sys.argv[2]))
    for executor in ('inline', 'local'):
        selector = FixedSweep([((Kind.LINEAR,), 2)])
        sweep('__main__', selector, 1, settings, out / executor, cores=1, executor=executor, progress='none')
"""


def test_what_a_programs_own_classes_stand_for_does_not_depend_on_the_process(write_problem, tmp_path, tiny):
    program = write_problem(model='', ending=OWN_KINDS)
    subprocess.run([sys.executable, program.path, tmp_path, repr(vars(tiny))], check=True, timeout=100)
    inline, local = (load(tmp_path / executor) for executor in ('inline', 'local'))
    assert str(inline) == str(local)


def test_a_model_that_caches_tensors_can_be_trained_on_after_an_evaluation(
    write_problem, tmp_path, sweep_inline, tiny
):
    problem = write_problem(model=CACHING)
    settings = tiny.replace(trial_samples=64 * 3, max_cycles=3)
    results = sweep_inline(problem.path, FixedSweep([(('x',), 1)]), tmp_path / 'out', hparams=settings)
    assert len(results) == 1


def test_a_negative_loss_is_an_error_of_its_own(write_problem, tmp_path, sweep_inline):
    problem = write_problem(
        loss='def loss():\n    return lambda o, t: torch.nn.functional.cross_entropy(o, t) - 3',
        accuracy_style="accuracy_style = 'inv-loss'",
    )
    with pytest.warns(UserWarning, match='the loss is negative'):
        results = sweep_inline(problem.path, FixedSweep([((3,), 1)]), tmp_path / 'out')
    assert results.failures[0].error.kind == 'ValueError'


def test_all_points_of_a_fixed_sweep_are_checked_before_the_first_is_trained(
    write_problem, tmp_path, sweep_inline
):
    problem = write_problem()
    points = [*((width,) for width in range(1, 151)), (1, 2, 3)]
    with pytest.raises(InvalidPoint, match='1, 2, 3'):
        sweep_inline(problem.path, FixedSweep.with_fixed_trials(points, 1), tmp_path / 'out')
    assert not problem.calls


def test_a_selector_that_another_sweep_used_up_is_refused(write_problem, tmp_path, sweep_inline):
    problem, selector = write_problem(), FixedSweep([((3,), 1)])
    sweep_inline(problem.path, selector, tmp_path / 'one')
    with pytest.raises(SelectorError, match='make a new one'):
        sweep_inline(problem.path, selector, tmp_path / 'two')


def test_what_is_done_is_saved_before_anyone_is_told(write_problem, tmp_path, sweep_inline):
    class Fails(FixedSweep):
        def on_hparams_found(self, *_):
            raise RuntimeError('no thanks')

    problem = write_problem()
    with pytest.raises(RuntimeError, match='no thanks'):
        sweep_inline(problem.path, Fails([((3,), 1)]), tmp_path / 'out')
    assert [result.params for result in load(tmp_path / 'out')] == [(3,)]


def test_two_files_of_one_name_are_two_problems(write_problem, tmp_path, sweep_inline):
    from sweeper.errors import FolderError

    first = write_problem()
    sweep_inline(first.path, FixedSweep([((3,), 1)]), tmp_path / 'out')
    other = tmp_path / 'elsewhere' / first.path.name
    other.parent.mkdir()
    other.write_text(first.text.replace('inputs[:, 0] > 0', 'inputs[:, 1] > 0'))
    trained = len(first.calls)
    with pytest.raises(FolderError, match='another file'):
        sweep_inline(other, FixedSweep([((3,), 1), ((4,), 1)]), tmp_path / 'out')
    assert len(first.calls) == trained


def test_a_problem_that_was_moved_is_the_same_problem(write_problem, tmp_path, sweep_inline):
    first = write_problem(record='record = print')
    results = sweep_inline(first.path, FixedSweep([((3,), 1)]), tmp_path / 'out')
    moved = tmp_path / 'elsewhere' / first.path.name
    moved.parent.mkdir()
    first.path.rename(moved)
    again = sweep_inline(moved, FixedSweep([((3,), 1), ((4,), 1)]), tmp_path / 'out')
    assert str(again[0]) == str(results[0])
    assert len(again) == 2


def test_reading_back_imports_nothing(write_problem, tmp_path, sweep_inline):
    sweep_inline(write_problem().path, FixedSweep([((3,), 1)]), tmp_path / 'out')
    lookup = tmp_path / 'out' / 'points' / 'params.csv'
    lookup.write_text('id,width\n0,"{""import"": ""this:s""}"\n')
    (
        tmp_path / 'out' / 'copies' / 'params.csv'
    ).unlink()  # with a checksum, so that it would be taken instead
    assert repr(from_json({'import': 'this:s'})) == '{"import": "this:s"}'
    with pytest.raises(FolderError, match='is damaged: the results of point 0 are of another point'):
        load(tmp_path / 'out')
    assert 'this' not in sys.modules


class Told(SweepListener):
    def __init__(self):
        self.trials, self.last = 0, None

    def on_trials_completed(self, values, perfs_train, *_):
        self.trials += len(perfs_train)

    def on_status(self, status):
        self.last = status

    def counts(self):
        return self.last.trials, self.last.trials_done, self.last.failed


def test_a_point_of_which_a_trial_failed_counts_as_failed_only(write_failing, tmp_path, sweep_inline):
    problem, tuning_runs = write_failing(9, 2)
    listener, again = Told(), Told()
    for one in (listener, again):
        with pytest.warns(UserWarning, match='model 2 of the trials'):
            sweep_inline(problem.path, FixedSweep([((9,), 5)]), tmp_path / 'out', listeners=[one])
        assert one.counts() == (5, 5, 1)  # what was asked for is done, in one way or the other
        assert len((tmp_path / 'out/points/results.csv').read_text().splitlines()) == 1
    assert (listener.trials, again.trials) == (2, 0)  # none is told after the failure
    assert len(problem.calls) == tuning_runs + 5


def test_trials_of_a_point_that_cannot_be_tuned_count_nowhere(write_problem, tmp_path, sweep_inline):
    model = """
def model(width):
    if width == 9:
        raise ValueError('enough')
    return torch.nn.Linear(4, 2)
"""
    problem = write_problem(model=model)
    points = [((9,), 20), ((4,), 2), ((9,), 3)]
    for _ in range(2):
        listener = Told()
        with pytest.warns(UserWarning, match='enough'):
            sweep_inline(problem.path, FixedSweep(points), tmp_path / 'out', listeners=[listener])
        assert listener.counts() == (2, 2, 1)


CELLS = """
import sys, types
from sweeper import FixedSweep, HyperparameterSettings, sweep

exec(open(sys.argv[1]).read().replace('Path(__file__)', 'Path(sys.argv[1])'))
settings = HyperparameterSettings(**eval(sys.argv[3]))
problem = types.SimpleNamespace(model=model, dataset=dataset, loss=loss, accuracy_style=accuracy_style)
for name, given in (('main', '__main__'), ('object', problem), ('file', sys.argv[1])):
    for attempt in range(2):
        results = sweep(
            given, FixedSweep([((3,), 2)]), 1, settings, f'{sys.argv[2]}/{name}', executor='inline',
            cores=1, progress='none',
        )
    print(results[0].loss_val.tolist())
for given in ('__main__', problem):
    try:
        sweep(given, FixedSweep([((3,), 2)]), 1, settings, f'{sys.argv[2]}/local', progress='none')
    except Exception as error:
        print(type(error).__name__, "executor='inline'" in str(error))
"""


def test_a_problem_may_be_what_is_in_this_process(write_problem, tmp_path, tiny):
    arguments = [write_problem().path, tmp_path / 'out', repr(vars(tiny))]
    command = [sys.executable, '-c', CELLS, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert not done.stderr
    *losses, main, given = done.stdout.splitlines()
    assert len(losses) == 3
    assert len(set(losses)) == 1
    assert main == given == 'ProblemError True'


def test_a_module_may_be_passed_itself(write_problem, tmp_path, sweep_inline):
    from sweeper.problem.reference import find_problem, load_module

    problem, selector = write_problem(), FixedSweep([((3,), 1)])
    module = load_module(find_problem(problem.path))
    named = sweep_inline(problem.path, FixedSweep([((3,), 1)]), tmp_path / 'named')
    assert str(sweep_inline(module, selector, tmp_path / 'out')) == str(named)
