"""Handlers that a problem attaches to the engine of a run: `attach(engine, run)`."""

import dataclasses
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ignite.engine import Events, create_supervised_evaluator
from ignite.handlers import EarlyStopping, ModelCheckpoint, TerminateOnNan
from ignite.metrics import Accuracy, Loss, RunningAverage
from torch import nn
from torch.utils.data import TensorDataset

from sweeper import FixedSweep, ProblemError, load
from sweeper.points import NamedPoint
from sweeper.problem.problem import Problem
from sweeper.training import runs
from sweeper.training.capture.recording import NotCapturable
from sweeper.training.capture.verification import Verification
from sweeper.training.data import as_split
from sweeper.training.engine import RunEvents
from sweeper.training.runs import TrainingPlan
from sweeper.training.scoring.evaluation import evaluate
from sweeper.training.workspace import Splits, Workspace

ROOT = Path(__file__).parents[2]
CPU = torch.device('cpu')
PLAN = TrainingPlan(lr_min=0.05, lr_max=0.5, batch_size=4, epochs=6, cycle_size_epochs=2)
STEPS = 40  # of an epoch: a chunk, and a shorter one


def dataset(samples, seed):
    inputs = torch.randn(samples, 4, generator=torch.Generator().manual_seed(seed))
    return TensorDataset(inputs, (inputs[:, 0] > 0).long())


def mlp(width):
    return nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Dropout(0.2), nn.Linear(width, 2))


def workspace(attach=None, step='auto', model=mlp):
    splits = [as_split(dataset(samples, seed), CPU) for seed, samples in enumerate((160, 40, 20))]
    problem = Problem('here', model, nn.CrossEntropyLoss, 'classification', lambda: None, None, attach=attach)
    return Workspace(problem, Splits(*splits), CPU, step)


def trial(attach=None, step='auto', plan=PLAN, model=mlp):
    return runs.train_fully(workspace(attach, step, model), (6,), [3], plan, index=5)[0]


def brief(attach=None):
    return runs.train_briefly(workspace(attach), (6,), [3], lr_min=0.05, lr_max=0.5, batch_size=4, steps=70)[
        0
    ]


def range_test(attach=None):
    return runs.measure_curve(workspace(attach), (6,), [3], [0.01 * k for k in range(1, 61)], [4] * 60)[0]


def without_times(result):
    scores = {name: array.tolist() for name, array in result.pop('throughtime', {}).items()}
    return {**result, 'seconds': 0, 'scores over time': scores}


def listen(engine, run):
    """Attaches a handler to every event that needs no single steps."""
    for event in (Events.STARTED, Events.EPOCH_STARTED, Events.EPOCH_COMPLETED, Events.COMPLETED, *RunEvents):
        engine.add_event_handler(event, lambda: None)


@pytest.mark.parametrize('attach', [lambda engine, run: None, listen])
@pytest.mark.parametrize('step', ['auto', 'eager'])
def test_handlers_that_only_listen_change_nothing(attach, step):
    assert without_times(trial(attach, step)) == without_times(trial(step=step))
    assert trial(attach, step)['step'].kind == ('captured' if step == 'auto' else 'eager')


@pytest.mark.parametrize('run', [brief, range_test])
def test_nor_do_they_in_tuning(run):
    with_handlers, without = run(listen), run()
    assert with_handlers.keys() == without.keys() and str(with_handlers['step']) == 'captured'
    assert all(np.array_equal(with_handlers[name], without[name]) for name in ('loss', 'perf'))


def test_a_step_that_handlers_listen_to_is_eager_for_that_reason():
    steps = []

    def attach(engine, run):
        engine.add_event_handler(Events.ITERATION_COMPLETED, lambda: steps.append(engine.state.output))

    result, eager = trial(attach), trial(step='eager')
    assert result['step'] == ('eager', 'a handler is to be called at every step (ITERATION_COMPLETED)', 1)
    assert len(steps) == 6 * STEPS and all(isinstance(loss, float) for loss in steps)
    assert result['scores'] == eager['scores']


@pytest.mark.parametrize(
    'attach',
    [
        lambda engine, run: engine.add_event_handler(Events.ITERATION_STARTED(every=50), lambda: None),
        lambda engine, run: engine.add_event_handler(
            Events.EPOCH_COMPLETED | Events.GET_BATCH_COMPLETED, lambda: None
        ),
        lambda engine, run: engine.on(Events.ITERATION_COMPLETED(once=3))(lambda: None),
        lambda engine, run: RunningAverage(output_transform=lambda loss: loss).attach(engine, 'loss'),
    ],
)
def test_in_whatever_way_they_are_attached(attach):
    assert trial(attach)['step'].reason.startswith('a handler is to be called at every step')


def test_a_handler_of_steps_cannot_come_later():
    def attach(engine, run):
        engine.add_event_handler(
            Events.STARTED, lambda: engine.add_event_handler(Events.ITERATION_COMPLETED, print)
        )

    with pytest.raises(RuntimeError, match=r'a handler of ITERATION_COMPLETED was added after attach'):
        trial(attach)


def test_the_state_is_what_users_of_ignite_expect():
    seen = []

    def note(engine, name):
        state = engine.state
        seen.append((name, state.epoch, state.iteration, state.max_epochs, state.epoch_length, state.output))

    def attach(engine, run):
        for event in (
            Events.STARTED,
            Events.EPOCH_STARTED,
            Events.EPOCH_COMPLETED,
            RunEvents.CHUNK_COMPLETED,
        ):
            engine.add_event_handler(event, note, event.name)

    assert trial(attach)['step'].kind == 'captured'
    by_step = []
    trial(
        lambda engine, run: engine.on(Events.ITERATION_COMPLETED)(lambda: by_step.append(engine.state.output))
    )
    chunks = [row for row in seen if row[0] == 'CHUNK_COMPLETED']
    assert [row[1:5] for row in chunks[:3]] == [(1, 32, 6, STEPS), (1, 40, 6, STEPS), (2, 72, 6, STEPS)]
    assert chunks[0][5] == pytest.approx(sum(by_step[:32]) / 32)
    assert chunks[1][5] == pytest.approx(sum(by_step[32:40]) / 8)
    assert [row[:3] for row in seen[:2]] == [('STARTED', 0, 0), ('EPOCH_STARTED', 1, 0)]
    assert [row[1:3] for row in seen if row[0] == 'EPOCH_COMPLETED'] == [(k, STEPS * k) for k in range(1, 7)]


@pytest.mark.parametrize('by_step', [False, True])
def test_chunks_are_the_same_ones_if_steps_are_taken_one_by_one(by_step):
    seen = []

    def attach(engine, run):
        engine.add_event_handler(RunEvents.CHUNK_COMPLETED, lambda: seen.append(engine.state.iteration))
        if by_step:
            engine.add_event_handler(Events.ITERATION_STARTED, lambda: None)

    trial(attach)
    assert seen == sorted([40 * k + 32 for k in range(6)] + [40 * k for k in range(1, 7)])


def test_a_run_says_what_it_is():
    told = []
    for run in (trial, brief, range_test):
        run(lambda engine, run: told.append(run))
    shown = [
        (run.kind, run.index, run.point, run.seed, run.batch_size, run.epochs, run.steps) for run in told
    ]
    assert shown == [
        ('trial', 5, (6,), 3, 4, 6, 240),
        ('brief', None, (6,), 3, 4, 1, 70),
        ('range_test', None, (6,), 3, 4, 1, 60),
    ]  # fmt: skip
    assert [(run.lr_min, run.lr_max) for run in told] == [(0.05, 0.5), (0.05, 0.5), (0.01, 0.6)]
    assert all(isinstance(run.model, nn.Module) and callable(run.criterion) for run in told)
    with pytest.raises(dataclasses.FrozenInstanceError):
        told[0].seed = 4
    names = [run.name for run in told]
    assert len({*names}) == 3 and all(name.replace('-', '').replace('_', '').isalnum() for name in names)


def test_the_scores_of_a_cycle_are_in_the_metrics():
    seen = []

    def attach(engine, run):
        engine.add_event_handler(
            RunEvents.SCORED, lambda: seen.append((engine.state.epoch, {**engine.state.metrics}))
        )

    result = trial(attach)
    through = result['throughtime']
    assert [epoch for epoch, _ in seen] == [2, 4, 6] == through['epochs'].tolist()
    assert [metrics['perf_val'] for _, metrics in seen] == through['perf_val'].tolist()
    assert set(seen[0][1]) == {'loss_train', 'perf_train', 'loss_val', 'perf_val'}


def state_of(result):
    return torch.load(io.BytesIO(result['model']), weights_only=True)


def scores_of(state):
    model = mlp(6)
    model.load_state_dict(state)
    here = workspace()
    learner = here.learner((6,), 3, False)
    found = {}
    for name, split in zip(('train', 'val', 'test'), here.splits, strict=True):
        score = evaluate(model, split, learner.objective, learner.score)
        found |= {f'loss_{name}': score.loss, f'perf_{name}': score.perf}
    return found


@pytest.mark.parametrize(
    ('event', 'epochs'),
    [
        (Events.EPOCH_COMPLETED(once=2), 2),  # of a cycle
        (Events.EPOCH_COMPLETED(once=3), 3),
        (Events.EPOCH_STARTED(once=4), 3),
        (RunEvents.SCORED(once=2), 4),
        (RunEvents.CHUNK_COMPLETED(once=3), 1 + 32 / 40),
        (Events.ITERATION_COMPLETED(once=50), 1 + 10 / 40),
        (Events.COMPLETED, 6),
    ],
)
def test_a_handler_may_end_the_training_and_what_is_scored_is_the_model_as_it_stands(event, epochs):
    result = trial(lambda engine, run: engine.add_event_handler(event, engine.terminate))
    assert result['epochs'] == epochs == result['throughtime']['epochs'][-1]
    assert isinstance(result['epochs'], int) == (epochs == int(epochs))
    assert not result['diverged'] and result['scores'] == scores_of(state_of(result))
    assert len(result['throughtime']['epochs']) == len({*result['throughtime']['epochs']})


def test_an_epoch_may_be_cut_short():
    def attach(engine, run):
        engine.add_event_handler(RunEvents.CHUNK_COMPLETED(once=1), engine.terminate_epoch)

    result = trial(attach)
    assert result['epochs'] == 6 - 8 / 40
    assert result['scores'] == scores_of(state_of(result))


@pytest.mark.parametrize('event', [Events.EPOCH_COMPLETED(once=6), RunEvents.SCORED, Events.COMPLETED])
def test_a_model_that_a_handler_changes_after_its_last_step_is_scored_as_it_is_then(event):
    def attach(engine, run):
        def change():
            with torch.no_grad():
                run.model[0].weight.zero_()

        engine.add_event_handler(event, change)

    result = trial(attach)
    assert not state_of(result)['0.weight'].any()
    assert result['scores'] == scores_of(state_of(result))
    assert result['epochs'] == 6 and result['throughtime']['epochs'].tolist()[-1] == 6


def test_brief_runs_may_be_ended_too():
    ended = brief(lambda engine, run: engine.add_event_handler(RunEvents.CHUNK_COMPLETED, engine.terminate))
    assert ended['loss'] != brief()['loss']


def test_a_curve_that_is_ended_goes_on_as_after_a_divergence():
    curve = range_test(
        lambda engine, run: engine.add_event_handler(RunEvents.CHUNK_COMPLETED, engine.terminate)
    )
    assert (curve['loss'][:32] == range_test()['loss'][:32]).all()
    assert torch.tensor(curve['loss'][32:]).isinf().all() and not curve['perf'][32:].any()


def test_a_run_that_never_begins_is_an_error():
    with pytest.raises(RuntimeError, match='a handler ended the training before its first step'):
        trial(lambda engine, run: engine.add_event_handler(Events.STARTED, engine.terminate))


def test_early_stopping_by_ignites_means():
    evaluations = []

    def attach(engine, run):
        if run.kind != 'trial':
            return
        evaluator = create_supervised_evaluator(
            run.model, {'loss': Loss(run.criterion), 'accuracy': Accuracy()}
        )
        stopper = EarlyStopping(2, lambda evaluator: -len(evaluations), trainer=engine)  # ever worse
        evaluator.add_event_handler(Events.COMPLETED, stopper)

        @engine.on(Events.EPOCH_COMPLETED)
        def _():
            evaluations.append(evaluator.run(run.batches('val')).metrics)

    result = trial(attach)
    assert result['epochs'] == 3 and str(result['step']) == 'captured'
    assert evaluations[-1]['accuracy'] == pytest.approx(result['scores']['perf_val'])
    assert evaluations[-1]['loss'] == pytest.approx(result['scores']['loss_val'])


def test_an_evaluator_leaves_training_as_it_was():
    def attach(engine, run):
        evaluator = create_supervised_evaluator(run.model)
        engine.add_event_handler(Events.EPOCH_COMPLETED, lambda: evaluator.run(run.batches('train')))

    for step in ('auto', 'eager'):  # dropout goes on
        assert without_times(trial(attach, step)) == without_times(trial(step=step))


@pytest.mark.slow
def test_tuning_sees_training_data_only_and_nobody_test_data():
    def attach(engine, run):
        assert len(run.batches('train')) == 1
        run.batches('test' if run.kind == 'trial' else 'val')

    with pytest.raises(ValueError, match=r"run.batches\('test'\): valid are 'train', 'val'"):
        trial(attach)
    for run in (brief, range_test):
        with pytest.raises(ValueError, match=r"run.batches\('val'\): valid are 'train'"):
            run(attach)


def test_whoever_takes_the_optimizer_gets_the_one_that_trains():
    rates = []

    def attach(engine, run):
        optimizer = run.optimizer
        assert run.optimizer is optimizer
        engine.add_event_handler(
            Events.EPOCH_COMPLETED, lambda: rates.append(optimizer.param_groups[0]['lr'])
        )

    result = trial(attach)
    assert result['step'] == ('eager', 'attach() takes its optimizer', 1)
    assert result['scores'] == trial(step='eager')['scores']
    assert len(rates) == 6 and max(rates) > 0.3 and min(rates) < 0.1


def test_it_must_be_taken_in_time():
    def attach(engine, run):
        engine.add_event_handler(Events.EPOCH_COMPLETED, lambda: run.optimizer)

    with pytest.raises(RuntimeError, match=r'run\.optimizer was first read when training had begun'):
        trial(attach)


class HandlerError(Exception):
    pass


def fail():
    raise HandlerError('as it happens')


@pytest.mark.parametrize(
    'event',
    [Events.STARTED, Events.EPOCH_COMPLETED, RunEvents.CHUNK_COMPLETED, RunEvents.SCORED, Events.COMPLETED],
)
@pytest.mark.parametrize('swallows', [False, True])
def test_an_exception_in_a_handler_comes_through(event, swallows):
    def attach(engine, run):
        engine.add_event_handler(event, fail)
        if swallows:
            engine.add_event_handler(Events.EXCEPTION_RAISED, lambda error: None)

    with pytest.raises(HandlerError, match='as it happens') as caught:
        trial(attach)
    assert any(entry.name == 'fail' for entry in caught.traceback)


def test_an_exception_in_attach_comes_through():
    with pytest.raises(HandlerError):
        trial(lambda engine, run: fail())


def test_a_model_that_diverges_has_diverged():
    plan = dataclasses.replace(PLAN, lr_min=1e20, lr_max=1e30)
    ended = []

    def attach(engine, run):
        engine.add_event_handler(RunEvents.CHUNK_COMPLETED, TerminateOnNan())
        engine.add_event_handler(Events.TERMINATE, lambda: ended.append(engine.state.iteration))

    assert trial(listen, plan=plan)['diverged'] and trial(attach, plan=plan)['diverged']
    assert ended == [32]


def test_runs_with_handlers_are_not_in_lanes():
    told = []
    here = workspace(lambda engine, run: told.append((run.index, run.seed)), step='lanes')
    results = runs.train_fully(here, (6,), [3, 4], PLAN, index=8)
    assert told == [(8, 3), (9, 4)]
    assert [str(result['step']) for result in results] == [
        'captured; not in lanes, because its handlers (attach) are those of a single run'
    ] * 2
    assert results[0]['scores'] == trial()['scores']


def test_a_run_whose_captured_steps_are_dropped_begins_anew_with_handlers_of_its_own(monkeypatch, tmp_path):
    log = tmp_path / 'log'

    def note(text):
        with log.open('a') as file:  # what Python holds is put back
            file.write(f'{text}\n')

    def attach(engine, run):
        engine.number = len(log.read_text().splitlines()) if log.exists() else 0
        note('attached')
        engine.add_event_handler(Events.COMPLETED, lambda: note(f'{engine.number} completed'))
        engine.add_event_handler(Events.EXCEPTION_RAISED, lambda error: note('raised'))

    def refuse(self, feed, done, is_last=False):
        if done:
            raise NotCapturable('it differs')
        verify(self, feed, done)

    verify = Verification.verify
    monkeypatch.setattr(Verification, 'verify', refuse)
    result = trial(attach)
    assert str(result['step']) == 'eager, because it differs'
    assert log.read_text().splitlines() == ['attached', 'attached', '1 completed']
    assert result['scores'] == trial(step='eager')['scores']


def test_what_handlers_remember_of_a_try_that_was_dropped_is_forgotten(monkeypatch):
    epochs = []

    def attach(engine, run):
        engine.add_event_handler(Events.EPOCH_COMPLETED, lambda: epochs.append(engine.state.epoch))

    def refuse(self, feed, done, is_last=False):
        if is_last:
            raise NotCapturable('it differs')
        verify(self, feed, done)

    verify = Verification.verify
    monkeypatch.setattr(Verification, 'verify', refuse)
    assert trial(attach)['step'].kind == 'eager'
    assert epochs == [1, 2, 3, 4, 5, 6]


def test_a_handler_that_changes_the_model_is_noticed_by_captured_steps():
    def attach(engine, run):
        @engine.on(Events.EPOCH_COMPLETED(once=2))
        def _():
            run.model[2].p = 0.9

    eager = trial(attach, step='eager')
    result = trial(attach)
    assert result['scores'] == eager['scores'] and result['step'].kind == 'eager'


def test_a_hook_that_attach_adds_makes_steps_eager():
    calls = []

    def attach(engine, run):
        run.model.register_forward_hook(lambda *_: calls.append(None))

    result = trial(attach)
    assert result['step'].reason == 'a module has hooks (Sequential)'
    assert len(calls) > 6 * STEPS


def test_checkpoints_are_loadable(tmp_path):
    def attach(engine, run):
        saver = ModelCheckpoint(tmp_path, run.name, n_saved=1, require_empty=False)
        engine.add_event_handler(RunEvents.SCORED, saver, {'model': run.model})

    result = trial(attach)
    (path,) = tmp_path.iterdir()
    saved = torch.load(path, weights_only=True)
    assert all(torch.equal(saved[name], value) for name, value in state_of(result).items())


SHOWN = re.findall(
    r'^```python\n(.*?)^```$', (ROOT / 'docs/handlers.md').read_text(), re.MULTILINE | re.DOTALL
)
SHOWN = [code for code in SHOWN if 'def attach' in code]  # test_callbacks.py has the other


@pytest.mark.parametrize(
    ('code', 'epochs'), [*zip(SHOWN, [6, None, 6], strict=True)], ids=['saves', 'stops', 'limits']
)
def test_what_the_document_shows_does_what_it_says(code, epochs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(code, names := {})
    result = trial(names['attach'], plan=dataclasses.replace(PLAN, epochs=12) if epochs is None else PLAN)
    assert str(result['step']) == 'captured'
    assert result['epochs'] == epochs or (epochs is None and result['epochs'] < 12)
    assert str(brief(names['attach'])['step']) == 'captured'
    if 'Checkpoint' in code:
        assert len([*(tmp_path / 'checkpoints').iterdir()]) == 2
        assert capsys.readouterr().out.splitlines() == [f'epoch {k}' for k in range(1, 7)]


ATTACH = """
def attach(engine, run):
    print('attached', run.kind, run.index)
"""


def test_a_sweep_calls_attach_for_every_run(write_problem, sweep_inline, tmp_path, capsys):
    problem = write_problem(ending=ATTACH)
    sweep_inline(problem.path, FixedSweep([(NamedPoint(width=4), 2)]), tmp_path / 'out')
    lines = [line.split()[1:] for line in capsys.readouterr().out.splitlines() if line.startswith('attached')]
    assert ['trial', '0'] in lines and ['trial', '1'] in lines
    assert {kind for kind, _ in lines} == {'trial', 'brief', 'range_test'}


def test_a_handler_that_raises_costs_the_point_and_the_traceback_is_kept(
    write_problem, sweep_inline, tmp_path
):
    ending = """
from ignite.engine import Events

def attach(engine, run):
    def explode():
        raise KeyError('in a handler')
    if run.point[0] == 5:
        engine.add_event_handler(Events.EPOCH_COMPLETED, explode)
"""
    problem = write_problem(ending=ending)
    with pytest.warns(UserWarning, match='KeyError'):
        results = sweep_inline(problem.path, FixedSweep([((4,), 1), ((5,), 1)]), tmp_path / 'out')
    assert [result.params for result in results] == [(4,)]
    (failure,) = results.failures
    assert failure.params == (5,) and 'explode' in failure.error.traceback


def test_a_training_that_was_ended_early_is_on_disk_as_it_was(write_problem, sweep_inline, tmp_path):
    ending = """
from sweeper import RunEvents

def attach(engine, run):
    if run.kind == 'trial':
        engine.add_event_handler(RunEvents.CHUNK_COMPLETED, engine.terminate)
"""
    dataset = """
def dataset():
    inputs = torch.randn(800, 4, generator=torch.Generator().manual_seed(0))
    data = TensorDataset(inputs, (inputs[:, 0] > 0).long())
    return Subset(data, range(640)), Subset(data, range(640, 800))
"""
    problem = write_problem(ending=ending, dataset=dataset)
    found = sweep_inline(problem.path, FixedSweep([((4,), 1)]), tmp_path / 'out')
    stored = json.loads((tmp_path / 'out/points/0/trials/0/result.json').read_text())
    assert 0 < stored['epochs'] < 1
    (trial,) = load(tmp_path / 'out').trials[(4,)].values()
    assert trial.epochs == stored['epochs'] == found.trials[(4,)][0].epochs


@pytest.mark.parametrize(
    ('ending', 'message'),
    [
        ('attach = 5', r'attach of .* must be callable; got 5'),
        ('def attach(engine): pass', r'attach\(engine\) of .* must take \(engine, run\)'),
    ],
)
def test_attach_is_checked_before_training(write_problem, sweep_inline, tmp_path, ending, message):
    problem = write_problem(ending=ending)
    with pytest.raises(ProblemError, match=message):
        sweep_inline(problem.path, FixedSweep([((4,), 1)]), tmp_path / 'out')


IMPORTS = """
import sys
sys.path.insert(0, {folder!r})
from sweeper import FixedSweep, FixedHyperparameters, sweep
method = FixedHyperparameters(lr=0.1, batch_size=8, epochs=1)
sweep({path!r}, FixedSweep([((4,), 1)]), 1, method, {out!r}, executor='inline', progress='none')
print(*[name for name in ('ignite', 'torch.distributed.optim') if name in sys.modules])
"""


@pytest.mark.slow
@pytest.mark.parametrize(('ending', 'expected'), [('', ''), (ATTACH, 'ignite torch.distributed.optim')])
def test_ignite_is_imported_for_problems_with_handlers_and_as_it_is(
    write_problem, tmp_path, ending, expected
):
    path = str(write_problem(ending=ending).path)
    code = IMPORTS.format(folder=str(tmp_path), path=path, out=str(tmp_path / 'out'))
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == expected


def test_without_attach_no_engine_is_made():
    assert workspace().set_up((6,), 3, list(torch.arange(160).split(4)), 6).engine is None
