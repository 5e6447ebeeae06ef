"""A problem's own training loop: `train(run)`."""

import inspect
import io

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from sweeper import FixedSweep, ProblemError, sweep
from sweeper.problem.problem import Problem, load_problem
from sweeper.problem.reference import find_problem
from sweeper.training.data import as_split
from sweeper.training.runs import TrainingPlan, measure_curve, train_briefly, train_fully
from sweeper.training.workspace import Splits, Workspace

CPU = torch.device('cpu')
PLAN = TrainingPlan(lr_min=0.05, lr_max=0.5, batch_size=8, epochs=6, cycle_size_epochs=2)


def split(samples, seed):
    inputs = torch.randn(samples, 4, generator=torch.Generator().manual_seed(seed))
    return as_split(TensorDataset(inputs, (inputs[:, 0] > 0).long()), CPU)


def workspace(train=None, loss=nn.CrossEntropyLoss, **options):
    problem = Problem(
        'here', lambda: nn.Linear(4, 2), loss, 'classification', lambda: None, None, train=train, **options
    )
    return Workspace(problem, Splits(split(70, 0), split(40, 1), None), CPU, 'eager')


def plain(run):
    """What the default loop does."""
    optimizer = torch.optim.SGD(run.model.parameters(), 1.0)
    for inputs, targets in run:
        run.set_lr(optimizer)
        optimizer.zero_grad()
        loss = run.criterion(run.model(inputs), targets)
        loss.backward()
        optimizer.step()
        run.report(loss)


def comparable(done):
    return [
        {name: value for name, value in trial.items() if name in ('scores', 'epochs', 'diverged', 'model')}
        for trial in done
    ]


def test_an_own_loop_that_does_the_same_gives_the_same():
    here, default = workspace(plain), workspace()
    own = train_fully(here, (), [3, 4], PLAN)
    assert comparable(own) == comparable(
        train_fully(default, (), [3], PLAN) + train_fully(default, (), [4], PLAN)
    )
    assert all('its own, train(run)' in str(trial['step']) for trial in own)
    brief = {'lr_min': 0.05, 'lr_max': 0.5, 'batch_size': 8, 'steps': 30, 'held_out': 10}
    (own,), (expected,) = (train_briefly(one, (), [3], **brief) for one in (here, default))
    assert (own['loss'], own['perf']) == (expected['loss'], expected['perf'])
    lrs, sizes = [0.01 * 1.1**k for k in range(60)], [8] * 60
    (own,), (expected,) = (measure_curve(one, (), [3], lrs, sizes) for one in (here, default))
    assert own['loss'].tolist() == pytest.approx(expected['loss'].tolist())
    assert own['perf'].tolist() == expected['perf'].tolist()


def test_a_loop_sees_how_far_it_is_and_at_which_rate():
    seen = []

    def train(run):
        assert (run.kind, run.index, run.epochs, run.steps) == ('trial', 5, 6, 54)
        for _ in run:
            seen.append((run.step, run.progress, run.lr))
            run.report(run.model.weight.sum())

    train_fully(workspace(train, schedule='cosine'), (), [3], PLAN, index=5)
    steps, progress, lrs = zip(*seen, strict=True)
    assert steps == tuple(range(54)) and progress == tuple(step / 54 for step in steps)
    assert lrs[0] == pytest.approx(0.5, abs=1e-3) and lrs[-1] < 0.001 and [*lrs] == sorted(lrs, reverse=True)


def test_two_optimizers_and_a_closure():
    def train(run):
        first = torch.optim.LBFGS([run.model.weight], max_iter=3)
        second = torch.optim.Adam([run.model.bias])
        for inputs, targets in run:
            run.set_lr(first, second)

            def closure(inputs=inputs, targets=targets):
                run.model.zero_grad()
                loss = run.criterion(run.model(inputs), targets)
                loss.backward()
                return loss

            run.report(first.step(closure))
            second.step()

    (done,) = train_fully(workspace(train), (), [3], PLAN)
    assert done['scores']['perf_val'] > 0.9 and not done['diverged']


def test_random_draws_of_a_loop_are_the_run_s_own():
    def train(run):
        draws.append(torch.rand(3, generator=run.generator).tolist())
        plain(run)

    draws = []
    for seed in (3, 3, 4):
        train_fully(workspace(train), (), [seed], PLAN)
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.parametrize('how', ['break', 'stop'])
def test_a_loop_may_end_early_and_what_is_scored_is_the_model_as_it_stands(how):
    def train(run):
        for _ in run:
            with torch.no_grad():
                run.model.weight.add_(0.01)
            run.report(1.0)
            if run.step + 1 == 12:  # the third of the second epoch
                if how == 'break':
                    break
                run.stop()

    (done,) = train_fully(workspace(train), (), [3], PLAN)
    assert done['epochs'] == pytest.approx(1.333) and not done['diverged']
    weight = workspace().fresh_model((), 3)[0].weight.detach() + 0.12
    assert torch.load(io.BytesIO(done['model']))['weight'] == pytest.approx(weight, abs=1e-5)


def test_a_range_test_may_end_early_too():
    def train(run):
        for _ in run:
            run.report(run.model(torch.ones(4)).pow(2).sum())
            if run.step == 11:
                break

    lrs, sizes = [0.01] * 60, [8] * 60
    (curve,) = measure_curve(workspace(train), (), [3], lrs, sizes)
    assert curve['loss'].shape == curve['perf'].shape == (60,)
    assert np.isfinite(curve['loss'][:12]).all() and np.isinf(curve['loss'][12:]).all()
    assert (curve['perf'][12:] == 0).all()


@pytest.mark.parametrize('how', ['reported', 'raised'])
def test_a_loss_that_is_not_finite_has_diverged(how):
    def train(run):
        for number, _ in enumerate(run):
            if number == 20:
                torch.nn.init.constant_(run.model.weight, torch.nan)
                if how == 'raised':
                    raise ValueError('all elements of input should be between 0 and 1')
            run.report(run.model.weight.sum())

    (done,) = train_fully(workspace(train), (), [3], PLAN)
    assert done['diverged'] and done['epochs'] == pytest.approx(21 / 9, abs=1e-3)
    assert done['scores']['loss_val'] == float('inf')


def test_what_a_loop_raises_fails_the_run():
    def train(run):
        next(iter(run))
        raise KeyError('here')

    with pytest.raises(KeyError, match='here'):
        train_fully(workspace(train), (), [3], PLAN)


WRONG = {
    'for batch in run:\n        pass': 'took batch 2 and had reported no loss of the one before',
    'pass': 'took no batch, or reported no loss',
    'for batch in run:\n        run.report(torch.ones(3))': 'takes a scalar, the mean loss of the batch',
}
LOOP = 'import torch\ndef train(run):\n    {}\n'
BAD = {
    **{LOOP.format(text): message for text, message in WRONG.items()},
    'def train(run, more): pass': r'train\(run, more\) of .* must take \(run\)',
    'def train(run): pass\nclip_norm = 1.0': 'which would ignore clip_norm: do it in the loop',
    'def train(run): pass\ndef optimizer(p, lr): pass': 'which would ignore optimizer: do it in the loop',
}


@pytest.mark.parametrize('text', BAD)
def test_what_is_wrong_is_said_before_anything_is_trained(text, refused):
    refused(text, BAD[text])


@pytest.mark.parametrize('text', ['def train(model, loader, epochs): pass', 'from sweeper import train'])
def test_another_function_of_that_name_is_none(text, write_problem):
    assert load_problem(find_problem(write_problem(ending=text).path)).train is None


@pytest.mark.slow
def test_a_sweep_with_an_own_loop(write_problem, tmp_path, tiny):
    problem = write_problem(ending='import torch\n' + inspect.getsource(plain).replace('plain', 'train'))
    selector = FixedSweep.with_fixed_trials([(4,)], 2)
    own = sweep(problem.path, selector, 1, tiny, tmp_path / 'own', executor='local', cores=1)
    selector = FixedSweep.with_fixed_trials([(4,)], 2)
    default = sweep(write_problem().path, selector, 1, tiny, tmp_path / 'out', executor='inline')
    assert not own.failures
    assert own[0].perf_val.tolist() == pytest.approx(default[0].perf_val.tolist(), abs=0.1)


EPISODES = """
import torch

samples = 40


def model(width):
    return torch.nn.Linear(1, width)


def train(run):
    for count in run:
        assert isinstance(count, int) and count >= 1
        with torch.no_grad():
            run.model.weight.add_(run.lr)
        run.score(0.2 + 0.8 * run.progress * min(1.0, run.model.out_features / 8))
        run.report(-1.0)
"""


def test_without_data_a_loop_says_itself_how_well_the_model_does(tmp_path, tiny):
    path = tmp_path / 'episodes.py'
    path.write_text(EPISODES)
    selector = FixedSweep.with_fixed_trials([(2,), (8,)], 2)
    results = sweep(path, selector, 1, tiny, tmp_path / 'out', executor='local', cores=2)
    assert not results.failures and len(results) == 2
    best = {result.params: result for result in results}
    assert best[(8,)].perf_val.mean() > 0.8 > 0.5 > best[(2,)].perf_val.mean() > 0.2
    assert best[(8,)].perf_val.tolist() == best[(8,)].perf_train.tolist()
    assert best[(2,)].loss_val == pytest.approx(1 / best[(2,)].perf_val - 1)


WITHOUT_DATA = {
    'run.score(1.5)': r'takes a performance in \[0, 1\], such as a share; got 1.5',
    'pass': 'had not called run.score',
}


@pytest.mark.parametrize('score', WITHOUT_DATA)
def test_a_score_that_is_missing_or_no_share_fails_the_run(score, tmp_path, tiny):
    path = tmp_path / 'episodes.py'
    line = next(line for line in EPISODES.splitlines() if 'run.score' in line)
    path.write_text(EPISODES.replace(line.strip(), score))
    selector = FixedSweep.with_fixed_trials([(2,)], 1)
    with pytest.raises(ProblemError, match=WITHOUT_DATA[score]):
        sweep(path, selector, 1, tiny, tmp_path / 'out', executor='inline', on_error='raise')


def test_with_data_a_loop_has_no_score_to_give():
    def train(run):
        for _ in run:
            run.score(0.5)

    with pytest.raises(ProblemError, match='is for problems without dataset'):
        train_fully(workspace(train), (), [3], PLAN)


@pytest.mark.parametrize('samples', ['0', '2.5', 'True', '"many"'])
def test_samples_are_a_whole_number(samples, tmp_path, tiny):
    path = tmp_path / 'episodes.py'
    path.write_text(EPISODES.replace('samples = 40', f'samples = {samples}'))
    with pytest.raises(ProblemError, match=r'samples of .* it must be how many samples'):
        sweep(path, FixedSweep.with_fixed_trials([(2,)], 1), 1, tiny, tmp_path / 'out', executor='inline')
