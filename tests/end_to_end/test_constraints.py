"""Points that exceed a limit are rejected before anything of them is tuned, once, and on record."""

import json

import pytest

from sweeper import (
    DONE,
    EvolutionSweep,
    FixedHyperparameters,
    FixedSweep,
    InlineExecutor,
    InvalidArgument,
    LocalExecutor,
    ProblemError,
    Proposal,
    RandomSweep,
    Selector,
    SelectorError,
    events,
    load,
    sweep,
)
from sweeper.store.store import Store
from sweeper.work import FUNCTIONS
from tests.crash.compare import contents

FIXED = FixedHyperparameters(lr=0.1, batch_size=16, epochs=1, cycle_epochs=1)
PER_WIDTH, OF_ALL = 4 + 1 + 2, 2  # parameters of the model


class Widths(Selector):
    """Proposes widths until so many have been trained; says what it heard."""

    def __init__(self, count):
        self.left, self.width, self.heard = count, 0, []

    def ask(self):
        if not self.left:
            return DONE
        self.width, self.left = self.width + 1, self.left - 1
        return Proposal((1 + self.width * 9 % 20,), 1)

    def tell(self, event):
        if isinstance(event, events.PointRejected):
            self.left += 1
        if isinstance(event, events.TrialsDone | events.PointFailed):
            self.heard.append((type(event).__name__, event.point))


def limit(width):
    return PER_WIDTH * width + OF_ALL


@pytest.fixture
def run(write_problem, tmp_path):
    path = write_problem().path

    def run(selector, name='out', kind='inline', path=path, **options):
        executor = InlineExecutor(2) if kind == 'inline' else LocalExecutor(2)
        return sweep(path, selector, 1, FIXED, tmp_path / name, executor=executor, progress='none', **options)

    return run


def grid(*widths):
    return FixedSweep.with_fixed_trials([(width,) for width in widths], 1)


@pytest.mark.parametrize('kind', ['inline', 'local'])
def test_what_exceeds_a_limit_is_rejected_and_costs_nothing_else(kind, run, tmp_path):
    results = run(grid(2, 4, 8, 16), kind=kind, max_parameters=limit(4))
    assert [result.params for result in results] == [(2,), (4,)] and not results.failures
    assert results.rejected == {
        (width,): f'{limit(width)} parameters; the limit is {limit(4)} parameters' for width in (8, 16)
    }
    assert load(tmp_path / 'out').rejected == results.rejected
    assert sorted(path.name for path in (tmp_path / 'out/points').iterdir() if path.is_dir()) == ['0', '1']


@pytest.mark.parametrize('kind', [RandomSweep, EvolutionSweep])
def test_searches_try_as_many_points_as_they_are_told_that_keep_within_the_limits(kind, run):
    results = run(kind({'width': range(1, 41)}, points=6, trials=1), max_parameters=limit(20))
    assert len(results) == 6 and results.rejected
    assert all(result.params['width'] <= 20 for result in results)


def test_a_search_ends_when_all_that_keeps_within_the_limits_was_tried(run):
    for name, kind in (('random', RandomSweep), ('evolution', EvolutionSweep)):
        results = run(kind({'width': range(1, 9)}, points=6, trials=1), name, max_parameters=limit(3))
        assert sorted(result.params['width'] for result in results) == [1, 2, 3], name
        assert len(results.rejected) == 5


def test_nothing_is_measured_again_on_the_same_folder(run, monkeypatch, tmp_path):
    first = run(grid(2, 16), max_parameters=limit(4), max_latency=100.0)
    before = contents(tmp_path / 'out')

    def none(*_):
        raise AssertionError('measured again')

    monkeypatch.setitem(FUNCTIONS, 'violation', none)
    again = run(grid(2, 16), max_parameters=limit(4), max_latency=100.0)
    assert str(again) == str(first) and again.rejected == first.rejected
    assert contents(tmp_path / 'out') == before


def test_other_limits_are_looked_at_anew(run):
    run(grid(2, 8, 16), max_parameters=limit(4))
    results = run(grid(2, 8, 16), max_parameters=limit(8))
    assert [result.params for result in results] == [(2,), (8,)] and [*results.rejected] == [(16,)]
    results = run(grid(2, 8), max_parameters=limit(2))
    assert [*results.rejected] == results.others == [(8,)]


def test_a_selector_that_adapts_is_told_and_proposes_others(run, tmp_path):
    selector = Widths(4)
    run(selector, max_parameters=limit(10))
    assert [what for what, _ in selector.heard].count('TrialsDone') == 4
    rejected = [point for what, point in selector.heard if what == 'PointRejected']
    assert rejected and all(width > 10 for (width,) in rejected)
    elsewhere = Widths(4)
    run(elsewhere, 'elsewhere', 'local', max_parameters=limit(10))
    assert elsewhere.heard == selector.heard
    assert contents(tmp_path / 'out') == contents(tmp_path / 'elsewhere')


@pytest.mark.parametrize('writer', ['write_rejections', 'add_points', 'write_tuned', 'write_trial'])
@pytest.mark.parametrize('after', [True, False])
def test_an_interrupted_sweep_ends_as_if_it_had_not_been(writer, after, run, monkeypatch, tmp_path):
    run(Widths(4), 'whole', max_parameters=limit(10))
    write, count = getattr(Store, writer), iter(range(100))

    def interrupted(*args):
        if after:
            write(*args)
        if next(count) == 0:
            raise KeyboardInterrupt
        if not after:
            write(*args)

    monkeypatch.setattr(Store, writer, interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(Widths(4), max_parameters=limit(10))
    run(Widths(4), max_parameters=limit(10))
    assert contents(tmp_path / 'out') == contents(tmp_path / 'whole')


def test_if_nothing_may_be_trained_that_is_an_error(run, tmp_path):
    with pytest.raises(InvalidArgument, match=r'no point may be trained, such as \(8\): 58 parameters'):
        run(grid(8, 16), max_parameters=10)
    assert len(json.loads((tmp_path / 'out/constraints.json').read_text())['rejected']) == 2
    assert len(run(grid(2, 16), max_parameters=limit(4))) == 1  # the folder can be used


def test_a_search_among_points_that_are_all_too_large_ends(run):
    with pytest.raises(SelectorError, match='Widths has proposed 1,000 points in a row'):
        run(Widths(4), max_parameters=5)


def test_the_problem_may_have_a_constraint_of_its_own(run, write_problem):
    ending = "def constraint(model):\n    return model[0].out_features % 4 == 0 or 'not a multiple of 4'\n"
    results = run(grid(2, 4, 6, 8), path=write_problem(ending=ending).path)
    assert [result.params for result in results] == [(4,), (8,)]
    assert results.rejected == {(2,): 'not a multiple of 4', (6,): 'not a multiple of 4'}


@pytest.mark.parametrize('kind', ['inline', 'local'])
def test_a_constraint_that_raises_is_a_fault_of_the_problem(kind, run, write_problem):
    path = write_problem(ending='def constraint(model):\n    return model.nothing\n').path
    with pytest.raises(ProblemError, match=r'constraint\(model\) of .* raised AttributeError'):
        run(grid(2, 4), path=path, kind=kind)


def test_a_point_whose_model_cannot_be_built_fails_as_ever(run, write_problem):
    model = 'def model(width):\n    return torch.nn.Linear(4, 2 if width < 5 else 1 / 0)\n'
    with pytest.warns(UserWarning, match='division by zero'):
        results = run(grid(2, 8), path=write_problem(model=model).path, max_parameters=100)
    assert [failure.params for failure in results.failures] == [(8,)] and not results.rejected


def test_a_damaged_record_is_set_aside_and_found_out_anew(run, tmp_path):
    first = run(grid(2, 16), max_parameters=limit(4))
    (tmp_path / 'out/constraints.json').write_text('{')
    with pytest.warns(UserWarning, match='constraints.json is set aside'):
        again = run(grid(2, 16), max_parameters=limit(4))
    assert again.rejected == first.rejected == load(tmp_path / 'out').rejected


@pytest.mark.parametrize(
    ('option', 'value'),
    [('max_parameters', 0), ('max_flops', -1.0), ('max_latency', float('inf')), ('max_memory', 'much')],
)
def test_a_limit_is_a_positive_number(option, value, run):
    with pytest.raises(InvalidArgument, match=f'{option}='):
        run(grid(2), **{option: value})
