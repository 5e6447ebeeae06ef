"""Callbacks of a problem: what is called when, and what that costs."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from sweeper import Callback
from sweeper.problem.problem import Problem
from sweeper.training import callbacks, runs
from sweeper.training.data import as_split
from sweeper.training.runs import TrainingPlan
from sweeper.training.workspace import Splits, Workspace

CPU = torch.device('cpu')
PLAN = TrainingPlan(lr_min=0.05, lr_max=0.5, batch_size=4, epochs=4, cycle_size_epochs=2)
STEPS = 40  # of an epoch


def split(samples, seed):
    inputs = torch.randn(samples, 4, generator=torch.Generator().manual_seed(seed))
    return as_split(TensorDataset(inputs, (inputs[:, 0] > 0).long()), CPU)


def workspace(made=None, step='captured', attach=None):
    problem = Problem(
        'here', lambda: nn.Linear(4, 2), nn.CrossEntropyLoss, 'classification', lambda: None, None,
        attach=attach, callbacks=made,
    )  # fmt: skip
    return Workspace(problem, Splits(split(160, 0), split(2000, 1), None), CPU, step)


def trial(made=None, **options):
    return runs.train_fully(workspace(made, **options), (), [3], PLAN, index=0)[0]


def recording(*hooks):
    """A callback that overrides these hooks, and the list of its calls."""
    calls = []

    def hook(name):
        return lambda self, run, *facts: calls.append((name, *facts))

    return type('Recording', (Callback,), {name: hook(name) for name in hooks})(), calls


OF_STEPS = ['before_train_step', 'after_train_step']
OTHERS = [name for name in callbacks.HOOKS if name not in OF_STEPS]


def test_there_are_ten_hooks_and_each_is_called_in_its_turn():
    callback, calls = recording(*callbacks.HOOKS)
    done = trial(lambda: [callback])
    step = ['before_train_step', 'after_train_step']
    epoch = ['before_epoch', *step * STEPS, 'after_epoch']
    scoring = ['before_valid', *['before_valid_step', 'after_valid_step'] * 2, 'after_valid']
    cycle = [*epoch, *epoch, *scoring]
    assert len(callbacks.HOOKS) == 10
    assert [name for name, *_ in calls] == ['before_train', *cycle, *cycle, 'after_train']
    by_name = {name: [facts for other, *facts in calls if other == name] for name in callbacks.HOOKS}
    assert by_name['before_epoch'] == [[1], [2], [3], [4]]
    assert [epoch for epoch, _ in by_name['after_epoch']] == [1, 2, 3, 4]
    assert [step for step, _ in by_name['after_train_step']] == [*range(1, 4 * STEPS + 1)]
    assert by_name['before_valid_step'] == [[1], [2], [1], [2]]
    (_, _), (epoch, scores) = by_name['after_valid']
    assert epoch == 4 and scores == {name: done['scores'][name] for name in scores} and len(scores) == 4
    assert done['step'][0] == 'eager' and 'ITERATION_STARTED' in done['step'][1]


def test_without_hooks_of_steps_training_is_captured_and_the_same():
    callback, calls = recording(*OTHERS)
    done, plain = trial(lambda: [callback]), trial()
    assert done['step'][0] == plain['step'][0] == 'captured'
    assert done['scores'] == plain['scores'] and done['model'] == plain['model']
    assert {name for name, *_ in calls} == set(OTHERS)


def test_a_run_can_be_stopped():
    class Stopping(Callback):
        def after_epoch(self, run, epoch, loss):
            if epoch == 3 and loss > 0:
                run.stop()

    assert trial(lambda: [Stopping()])['epochs'] == 3


def test_every_run_gets_callbacks_of_its_own_and_knows_which_it_is():
    made = []

    class Kind(Callback):
        def before_train(self, run):
            made.append((self, run.kind, run.index))

    here = workspace(lambda: [Kind()])
    runs.train_fully(here, (), [3], PLAN, index=7)
    runs.train_briefly(here, (), [3], 0.01, 0.1, 4, steps=50)
    runs.measure_curve(here, (), [3], [0.01] * 50, [4] * 50)
    assert [facts for _, *facts in made] == [['trial', 7], ['brief', None], ['range_test', None]]
    assert len({id(callback) for callback, *_ in made}) == 3


def test_handlers_are_called_beside_callbacks():
    callback, calls = recording('after_train')
    done = trial(lambda: [callback], attach=lambda engine, run: calls.append((run.kind,)))
    assert calls[0] == ('trial',) and calls[-1] == ('after_train',) and done['step'][0] == 'captured'


def test_what_the_document_shows_does_what_it_says(capsys):
    text = (Path(__file__).parents[2] / 'docs/handlers.md').read_text()
    (code,) = re.findall(
        r'^```python\n(from sweeper import Callback\n.*?)^```$', text, re.MULTILINE | re.DOTALL
    )
    exec(code, names := {})
    done = trial(names['callbacks'])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1:3] for line in lines] == [['epoch', str(k)] for k in range(1, done['epochs'] + 1)]
    assert (done['epochs'] < 4) == (done['throughtime']['perf_val'][0] > 0.99)


def test_what_a_hook_raises_fails_the_run():
    class Failing(Callback):
        def after_epoch(self, run, epoch, loss):
            raise KeyError('here')

    with pytest.raises(KeyError, match='here'):
        trial(lambda: [Failing()])


HOOKED = """
import sweeper


class Mine(sweeper.Callback):
    def {}(self, run):
        pass


def callbacks():
    return [Mine()]
"""
BAD = {
    'callbacks = 3': 'callbacks of .* must be callable; got 3',
    'def callbacks(run):\n    return []': r'callbacks\(run\) of .* must take \(\)',
    'def callbacks():\n    return None': 'must return a list of objects of subclasses of .*; got None',
    'def callbacks():\n    return [print]': 'must return a list of objects of subclasses',
    HOOKED.format('after_epochs'): r'Mine.after_epochs is no hook of a Callback; did you mean after_epoch\?',
    HOOKED.format('before_batch'): 'Mine.before_batch is no hook of a Callback; there are before_train,',
}


@pytest.mark.parametrize('text', BAD)
def test_what_is_wrong_is_said_before_anything_is_trained(text, refused):
    refused(text, BAD[text])
