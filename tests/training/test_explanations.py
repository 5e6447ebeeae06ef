"""A batch that does not fit is explained before training, and what the explanation says to write is right."""

import re
import types

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, TensorDataset

from sweeper.problem.problem import load_problem
from sweeper.problem.reference import find_problem
from sweeper.training.checking.checks import check_problem
from sweeper.training.checking.dry_run import dry_run
from sweeper.training.described import described
from sweeper.training.workspace import Workspace

GENERATOR = torch.Generator().manual_seed(0)
INPUTS = torch.randn(40, 4, generator=GENERATOR)
LABELS = (INPUTS[:, 0] > 0).long()


class Items(Dataset):
    def __init__(self, item):
        self.item = item

    def __len__(self):
        return len(INPUTS)

    def __getitem__(self, index):
        return self.item(index)


def tried(dataset, build=lambda: nn.Linear(4, 2), loss=nn.CrossEntropyLoss, style='inv-loss', **names):
    """The dry run of a problem, and the fault's message."""
    given = {'model': build, 'dataset': lambda: (dataset, dataset), 'loss': loss}
    given |= {} if style is None else {'accuracy_style': style}
    problem = load_problem(find_problem(types.SimpleNamespace(**given | names)))
    done = dry_run(Workspace(problem, check_problem(problem, 0), torch.device('cpu')), (), 0)
    return done, '' if done.fault is None else done.fault.message


class Forward(nn.Module):
    """A linear layer, called by a function of it and of whatever it is given."""

    def __init__(self, forward):
        super().__init__()
        self.layer = nn.Linear(4, 2)
        self.forward = types.MethodType(forward, self)


# Inputs


def convolution(channels, size, dimensions=2):
    layer = (nn.Conv1d if dimensions == 1 else nn.Conv2d)(channels, 2, 3)
    return nn.Sequential(layer, nn.Flatten(), nn.Linear(2 * (size - 2) ** dimensions, 2))


OTHER_INPUTS = {
    'channels last': (torch.randn(40, 6, 6, 3), lambda: convolution(3, 6), 'permute(0, 3, 1, 2)'),
    'no channel': (torch.randn(40, 6, 6), lambda: convolution(1, 6), 'unsqueeze(1)'),
    'no channel of a series': (torch.randn(40, 7), lambda: convolution(1, 7, 1), 'unsqueeze(1)'),
    'steps before channels': (torch.randn(40, 7, 3), lambda: convolution(3, 7, 1), 'transpose(1, 2)'),
    'not flat': (torch.randn(40, 2, 2), lambda: nn.Linear(4, 2), 'flatten(1)'),
    'a single number': (torch.randn(40), lambda: nn.Linear(1, 2), 'unsqueeze(-1)'),
    'indices as floats': (
        torch.ones(40, 3), lambda: nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(12, 2)),
        'long()',
    ),
    'other floats': (INPUTS.double(), lambda: nn.Linear(4, 2), 'to(torch.float32)'),
    'bytes': (INPUTS.byte(), lambda: nn.Linear(4, 2), 'to(torch.float32)'),
}  # fmt: skip


@pytest.mark.parametrize(('inputs', 'build', 'conversion'), OTHER_INPUTS.values(), ids=OTHER_INPUTS)
def test_inputs_that_a_model_takes_in_another_way_are_named_with_what_to_write(inputs, build, conversion):
    done, message = tried(TensorDataset(inputs, LABELS), build)
    assert done.fault.is_certain and f'inputs.{conversion}' in message
    converted = eval(f'inputs.{conversion}')
    assert tried(TensorDataset(converted, LABELS), build)[0].fault is None


@pytest.mark.parametrize(
    ('inputs', 'call'),
    [(lambda i: (INPUTS[i], INPUTS[i]), 'model(*batch[0])'),
     (lambda i: {'left': INPUTS[i], 'right': INPUTS[i]}, 'model(**batch[0])')],
)  # fmt: skip
def test_inputs_that_are_several_arguments_are_named_with_the_call(inputs, call):
    def build():
        return Forward(lambda self, left, right: self.layer(left + right))

    data = Items(lambda i: (inputs(i), LABELS[i]))
    done, message = tried(data, build)
    assert done.fault.is_certain and f'that call {call}' in message and 'forward(left, right)' in message

    def step(model, batch):
        return functional.cross_entropy(eval(call), batch[1])

    assert tried(data, build, step=step)[0].fault is None


def test_a_forward_that_needs_more_than_the_inputs_is_named():
    done, message = tried(
        TensorDataset(INPUTS, LABELS), lambda: Forward(lambda self, inputs, mask: self.layer(inputs))
    )
    assert done.fault.is_certain and 'forward(inputs, mask) of Forward takes something else' in message


def test_what_is_not_understood_is_said_with_what_there_was():
    for data, names, what in (
        (TensorDataset(INPUTS[:, :3], LABELS), {}, 'the inputs are torch.float32 of shape (n, 3)'),
        (
            TensorDataset(torch.arange(40)[:, None], LABELS), {'build': lambda: nn.Embedding(4, 2)},
            'the inputs are torch.int64 of shape (n, 1) from 0 to 38',
        ),
        (
            TensorDataset(INPUTS, INPUTS[:, :3]), {'loss': lambda: lambda output, target: output @ target},
            'the outputs are torch.float32 of shape (n, 2), the targets torch.float32 of shape (n, 3)',
        ),
        (
            Items(lambda i: {'x': INPUTS[i], 'y': LABELS[i]}), {'step': lambda model, batch: batch['z']},
            "the batch is {'x': torch.float32 of shape (n, 4), 'y': torch.int64 of shape (n,) from 0 to 1}",
        ),
    ):  # fmt: skip
        done, message = tried(data, **names)
        assert not done.fault.is_certain and what in message


def test_a_batch_of_a_loader_that_is_no_pair_is_named():
    data = DataLoader(TensorDataset(INPUTS, LABELS), collate_fn=lambda items: [torch.ones(2)] * 3)
    done, message = tried(data)
    assert done.fault.is_certain and 'must be (inputs, targets)' in message and 'shape (n,)' in message


# Own steps


def labelled(model, batch):
    return functional.cross_entropy(model(batch['x']), batch['y'])


@settings(deadline=None, max_examples=12)
@given(
    floats=st.sampled_from([torch.float64, torch.float16, torch.float32]),
    wholes=st.sampled_from([torch.int32, torch.int16, torch.int64]),
)
def test_data_types_that_a_step_does_not_take_are_named_with_the_ones_it_takes(floats, wholes):
    data = Items(lambda i: {'x': INPUTS[i].to(floats), 'y': LABELS[i].to(wholes)})
    done, message = tried(data, step=labelled)
    wrong = [kind for kind in (floats, wholes) if kind not in (torch.float32, torch.int64)]
    assert (done.fault is not None) == bool(wrong)
    for kind in wrong:
        assert re.search(rf'It works with .*{kind} (converted )?to', message)


def test_a_step_that_calls_backward_itself_is_named():
    def step(model, batch):
        loss = labelled(model, batch)
        loss.backward(retain_graph=True)
        return loss

    done, message = tried(Items(lambda i: {'x': INPUTS[i], 'y': LABELS[i]}), step=step)
    assert done.fault.is_certain and 'calls backward() itself' in message


@pytest.mark.parametrize('name', ['step', 'predict', 'optimizer'])
def test_arguments_in_the_wrong_order_are_named(name):
    function = (lambda lr, parameters: 0) if name == 'optimizer' else (lambda batch, model: 0)
    with pytest.raises(Exception, match=rf'{name}\(.*must take .* in this order'):
        tried(TensorDataset(INPUTS, LABELS), **{name: function})


PAIRED = {
    'by torch': lambda output, target: functional.mse_loss(output, target),
    'by hand': lambda output, target: ((output - target) ** 2).mean(),
    'reversed': lambda output, target: (target - output).abs().mean(),
}
NOT_PAIRED = {
    'squeezed': lambda output, target: functional.mse_loss(output[:, 0], target),
    'unsqueezed': lambda output, target: functional.mse_loss(output, target[:, None]),
    'on purpose': lambda output, target: (output - target[None, :]).relu().mean(),
    'with itself': lambda output, _: (output - output[:, 0]).square().mean(),
    'with weights': lambda output, target: (output[:, 0] * target).square().mean(),
}


@pytest.mark.parametrize('as_pairs', [True, False])
@pytest.mark.parametrize('kind', [*PAIRED, *NOT_PAIRED])
def test_a_step_that_pairs_every_output_with_every_target_is_named(kind, as_pairs):
    loss = {**PAIRED, **NOT_PAIRED}[kind]
    names = (0, 1) if as_pairs else ('x', 'y')
    data = Items(lambda i: (INPUTS[i], INPUTS[i, 0]) if as_pairs else {'x': INPUTS[i], 'y': INPUTS[i, 0]})
    done, message = tried(
        data, lambda: nn.Linear(4, 1), step=lambda model, batch: loss(model(batch[names[0]]), batch[names[1]])
    )
    assert (done.fault is not None) == (kind in PAIRED), message
    if done.fault is not None:
        assert done.fault.is_certain and ('every target' in message or 'target size' in message)


@pytest.mark.parametrize('size', [32, 31, 40])
def test_another_dimension_as_large_as_the_batch_is_not_taken_for_it(size):
    centers = torch.randn(size)
    done, message = tried(
        TensorDataset(INPUTS, LABELS),
        lambda: nn.Linear(4, 1),
        step=lambda model, batch: (model(batch[0]) - centers).square().mean(),
    )
    assert done.fault is None, message


# The criterion


def test_outputs_that_a_criterion_takes_in_another_way_are_named():
    words = torch.randint(0, 5, (40, 7), generator=GENERATOR)
    done, message = tried(TensorDataset(words, words), lambda: nn.Embedding(5, 5))
    assert done.fault.is_certain and 'return output.movedim(-1, 1) from the model' in message
    logits = TensorDataset(INPUTS, LABELS[:, None].float())
    done, message = tried(logits, lambda: nn.Linear(4, 1), nn.BCELoss)
    assert done.fault.is_certain and 'output.sigmoid()' in message and 'a criterion on logits' in message


def test_a_criterion_that_takes_the_target_first_is_named():
    done, message = tried(
        TensorDataset(INPUTS, LABELS),
        loss=lambda: lambda target, output: functional.cross_entropy(output, target),
    )
    assert done.fault.is_certain and 'the other way round' in message


# What is scored

DICTS = Items(lambda i: {'x': INPUTS[i], 'y': LABELS[i]})
PREDICTIONS = {
    'nothing': (lambda outputs, targets: None, 'returned None'),
    'outputs only': (lambda outputs, targets: outputs, 'must return a tuple of two'),
    'three': (lambda outputs, targets: (outputs, targets, 1), 'must return a tuple of two'),
    'a list': (lambda outputs, targets: [outputs, targets], 'must return a tuple of two'),
    'the wrong order': (lambda outputs, targets: (targets, outputs), 'Outputs come first'),
    'classes': (lambda outputs, targets: (outputs.argmax(1), targets), 'leave argmax out'),
    'a mean': (lambda outputs, targets: (outputs.mean(), targets), 'must be of shape (n, classes, …)'),
    'arrays': (lambda outputs, targets: (outputs.numpy(), targets.numpy()), 'both tensors'),
    'targets in an array': (lambda outputs, targets: (outputs, targets.numpy()), 'both tensors'),
    'a dict': (lambda outputs, targets: ({'logits': outputs}, targets), 'returns outputs and targets'),
}


@pytest.mark.parametrize(
    'names', [{'style': 'classification'}, {'style': None, 'metrics': {'a': 'accuracy'}}]
)
@pytest.mark.parametrize(('returned', 'what'), PREDICTIONS.values(), ids=PREDICTIONS)
def test_predictions_that_cannot_be_scored_are_named(returned, what, names):
    def predict(model, batch):
        return returned(model(batch['x']), batch['y'])

    done, message = tried(DICTS, step=labelled, predict=predict, **names)
    assert done.fault.is_certain and 'predict(model, batch)' in message and what in message


def test_a_prediction_that_raises_is_said_with_its_batch():
    done, message = tried(
        DICTS, style='classification', step=labelled, predict=lambda model, batch: batch['z']
    )
    assert not done.fault.is_certain and "KeyError: 'z' (the batch is {'x':" in message


def test_outputs_of_a_model_without_classes_are_named():
    done, message = tried(
        TensorDataset(INPUTS, LABELS),
        lambda: nn.Sequential(nn.Linear(4, 1), nn.Flatten(0)),
        lambda: lambda output, target: (output - target).abs().mean(),
        'classification',
    )
    assert done.fault.is_certain and 'the model gives outputs that are torch.float32 of shape (n,)' in message


# Suspicions


@settings(deadline=None, max_examples=20)
@given(
    reduction=st.sampled_from(['mean', 'sum']),
    loss=st.sampled_from([nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss]),
    is_own=st.booleans(),
)
def test_a_loss_that_sums_over_the_batch_is_warned_of(reduction, loss, is_own):
    criterion = loss(reduction=reduction)
    own = {'step': lambda model, batch: criterion(model(batch[0]), batch[1])} if is_own else {}
    done, message = tried(TensorDataset(INPUTS, INPUTS), lambda: nn.Linear(4, 4), lambda: criterion, **own)
    assert done.fault is None, message
    assert any('the loss sums over the batch' in warning for warning in done.warnings) == (reduction == 'sum')


@pytest.mark.parametrize(
    ('last', 'warned'), [(nn.Softmax(1), True), (nn.Identity(), False), (nn.Sigmoid(), False)]
)
def test_probabilities_for_a_criterion_on_logits_are_warned_of(last, warned):
    done, _ = tried(TensorDataset(INPUTS, LABELS), lambda: nn.Sequential(nn.Linear(4, 2), last))
    assert any('CrossEntropyLoss takes logits' in warning for warning in done.warnings) == warned


def test_a_model_that_seeds_torch_is_warned_of():
    def build():
        torch.manual_seed(7)
        return nn.Linear(4, 2)

    done, _ = tried(TensorDataset(INPUTS, LABELS), build)
    assert any('seeds torch' in warning for warning in done.warnings)
    assert tried(TensorDataset(INPUTS, LABELS))[0].warnings == ()


# Descriptions


def test_a_tree_of_tensors_is_described():
    assert described(torch.ones(3)) == 'torch.float32 of shape (n,)'
    assert described((torch.tensor(1.5), None, 'text')) == '(torch.float32 of shape (), None, a str)'
    assert (
        described({'a': [torch.ones(2, 3)], 'b': ['x']})
        == "{'a': (torch.float32 of shape (n, 3)), 'b': a list}"
    )
    assert described([0.5] * 9) == f'({", ".join(["0.5"] * 6)}, …)'
