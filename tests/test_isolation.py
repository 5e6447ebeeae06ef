"""What one architecture does to its process does not reach the next, and results depend on no process."""

import pytest

from sweeper import FixedSweep, SweepListener, load
from sweeper.errors import InvalidPoint, SelectorError

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


def test_a_model_that_caches_tensors_can_be_trained_on_after_an_evaluation(
    write_problem, tmp_path, sweep_inline, tiny
):
    problem = write_problem(model=CACHING)
    settings = tiny.replace(trial_samples=64 * 3, max_cycles=3)
    results = sweep_inline(problem.path, FixedSweep([(('x',), 1)]), tmp_path / 'out', hparams=settings)
    assert len(results) == 1


def test_a_negative_loss_is_an_error_of_its_own(write_problem, tmp_path, sweep_inline):
    problem = write_problem(
        loss='def loss():\n    return lambda o, t: torch.nn.functional.cross_entropy(o, t) - 3'
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
    with pytest.raises(SelectorError, match='made anew'):
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
    other.write_text(first.text + '\n# other labels')
    with pytest.raises(FolderError, match='another file'):
        sweep_inline(other, FixedSweep([((4,), 1)]), tmp_path / 'out')


def test_reading_back_imports_nothing(write_problem, tmp_path, sweep_inline):
    import sys

    sweep_inline(write_problem().path, FixedSweep([((3,), 1)]), tmp_path / 'out')
    lookup = tmp_path / 'out' / 'points' / 'params.csv'
    lookup.write_text('id,width\n0,"{""import"": ""this:s""}"\n')
    assert 'this' not in sys.modules
    [result] = load(tmp_path / 'out')
    assert repr(result.params) == '({"import": "this:s"},)'
    assert 'this' not in sys.modules


def test_a_failed_point_counts_nowhere(write_problem, tmp_path, sweep_inline):
    class Told(SweepListener):
        def __init__(self):
            self.trials, self.last = [], None

        def on_trials_completed(self, values, *_):
            self.trials.append(values)

        def on_status(self, status):
            self.last = status

    fails_second = """
def model(width):
    record(width)
    if width == 9 and sum(1 for line in open(Path(__file__).with_suffix('.calls'))) > 6:
        raise ValueError('enough')
    return torch.nn.Linear(4, 2)
"""
    problem, listener = write_problem(model=fails_second), Told()
    with pytest.warns(UserWarning, match='enough'):
        sweep_inline(problem.path, FixedSweep([((9,), 20)]), tmp_path / 'out', listeners=[listener])
    assert (listener.last.trials, listener.last.trials_done, listener.last.failed) == (0, 0, 1)
    again = Told()
    with pytest.warns(UserWarning, match='enough'):
        sweep_inline(problem.path, FixedSweep([((9,), 20)]), tmp_path / 'out', listeners=[again])
    assert again.trials == []
    assert again.last.trials_done == 0
    assert len((tmp_path / 'out/points/results.csv').read_text().splitlines()) == 1
