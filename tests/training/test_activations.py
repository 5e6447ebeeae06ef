"""Layers are seen as they are called, each with what it gives for every sample."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from sweeper.training.activations import MOST_VALUES, look_into


class Made(nn.Module):
    """A model of a function, called with the modules and the inputs."""

    def __init__(self, function, *modules):
        super().__init__()
        self.function, self.layers = function, nn.ModuleList(modules)

    def forward(self, inputs):
        return self.function(*self.layers, inputs)


def looks_of(model, inputs):
    return {look.name: look for look in look_into(model, inputs, lambda rows: rows)}


def test_every_layer_is_seen_in_order_with_what_it_gives():
    model, inputs = nn.Sequential(nn.Linear(4, 3), nn.ReLU(inplace=True), nn.Linear(3, 2)), torch.randn(9, 4)
    looks = look_into(model, inputs, lambda rows: rows)
    assert [(look.name, look.kind, look.calls) for look in looks] == [
        ('0', 'Linear', 1), ('1', 'ReLU', 1), ('2', 'Linear', 1),
    ]  # fmt: skip
    first = model[0](inputs)
    for look, expected in zip(looks, (first.clone(), first.relu(), model(inputs)), strict=True):
        np.testing.assert_allclose(look.seen, expected.detach(), rtol=1e-6)
        assert look.shape == expected.shape[1:] and look.reason is None


def test_a_model_without_parts_is_a_layer():
    (look,) = look_into(nn.Linear(4, 3), torch.randn(9, 4), lambda rows: rows)
    assert (look.name, look.kind, look.seen.shape) == ('', 'Linear', (9, 3))


def test_what_is_not_called_is_no_layer_and_what_calls_none_is_one():
    attention = nn.MultiheadAttention(4, 2, batch_first=True)  # which uses its parts without calling them
    model = Made(lambda one, _, x: one(x, x, x)[0], attention, nn.Linear(4, 4))
    (look,) = look_into(model, torch.randn(9, 5, 4), lambda rows: rows)
    assert (look.name, look.kind, look.shape) == ('layers.0', 'MultiheadAttention', (5, 4))


def test_layers_inside_of_a_transformer_are_seen():
    looks = looks_of(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), torch.randn(9, 5, 4))
    assert {'self_attn', 'linear1', 'linear2', 'norm1', 'norm2'} <= looks.keys()


def test_of_several_calls_the_last_counts():
    def through(cell, inputs):
        state = torch.zeros(len(inputs), 3)
        for step in inputs.unbind(1):
            state = cell(step, state)
        return state

    model, inputs = Made(through, nn.RNNCell(4, 3)), torch.randn(9, 5, 4)
    looked = []
    (look,) = look_into(model, inputs, lambda rows: looked.append(0) or rows)
    assert look.calls == 5 and len(looked) == 1
    np.testing.assert_allclose(look.seen, model(inputs).detach(), rtol=1e-5)


@pytest.mark.parametrize('batch_first', [True, False])
def test_samples_are_found_wherever_they_are_in_a_sequence(batch_first):
    network = nn.LSTM(4, 3, batch_first=batch_first)
    inputs = torch.randn(9, 5, 4)
    model = Made(lambda net, x: net(x if batch_first else x.transpose(0, 1)), network)
    (look,) = look_into(model, inputs, lambda rows: rows)
    output = model(inputs)[0] if batch_first else model(inputs)[0].transpose(0, 1)
    np.testing.assert_allclose(look.seen, output.detach().reshape(9, 15), rtol=1e-5, atol=1e-7)
    assert look.shape == (5, 3)


class Giving(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, inputs):
        return self.function(inputs)


GIVEN = {
    'one number': (lambda x: x[:, 0], (), lambda x: x[:, :1]),
    'image': (lambda x: x.reshape(9, 2, 1, 2), (2, 1, 2), lambda x: x),
    'dictionary': (lambda x: OrderedDict(name=None, values=[x, x + 1]), (4,), lambda x: x),
    'integers': (lambda x: x.long(), (4,), lambda x: x.long().double()),
    'booleans': (lambda x: x > 0, (4,), lambda x: (x > 0).double()),
    'half precision': (lambda x: x.bfloat16(), (4,), lambda x: x.bfloat16().double()),
    'complex': (lambda x: torch.complex(x, -x), (4,), lambda x: torch.stack([x, -x], 2).flatten(1)),
}


@pytest.mark.parametrize(('function', 'shape', 'expected'), GIVEN.values(), ids=GIVEN)
def test_whatever_a_layer_gives_becomes_numbers(function, shape, expected):
    inputs = torch.randn(9, 4)
    (look,) = look_into(Giving(function), inputs, lambda rows: rows)
    np.testing.assert_allclose(look.seen, expected(inputs), rtol=1e-6)
    assert look.shape == shape and look.seen.dtype == np.float64


UNSEEN = {
    'mixes samples': (lambda x: x.mean(0), 'shape (4,)'),
    'text': (lambda _: 'text', 'no tensor but str'),
    'nothing': (lambda _: None, 'no tensor but NoneType'),
    'empty': (lambda _: (), 'no tensor but tuple'),
    'a scalar': (lambda x: x.sum(), 'shape ()'),
    'sparse': (lambda x: x.to_sparse(), 'in reading its output'),
}


@pytest.mark.parametrize(('function', 'reason'), UNSEEN.values(), ids=UNSEEN)
def test_where_samples_are_not_apart_it_is_said(function, reason):
    model = Made(lambda layer, other, x: (layer(x), other(x)), Giving(function), nn.Linear(4, 2))
    looks = looks_of(model, torch.randn(9, 4))
    unseen, seen = looks['layers.0'], looks['layers.1']
    assert unseen.seen is None and unseen.shape is None and reason in unseen.reason
    assert seen.seen.shape == (9, 2)


def test_very_many_values_are_averaged_with_their_neighbours():
    inputs = torch.randn(3, MOST_VALUES * 2)
    (look,) = look_into(nn.Identity(), inputs, lambda rows: rows)
    np.testing.assert_allclose(look.seen, inputs.reshape(3, -1, 2).mean(2), atol=1e-6)
    assert look.shape == (MOST_VALUES * 2,)


def test_a_look_is_in_evaluation_mode_and_leaves_nothing_behind():
    noise = Giving(lambda inputs: inputs + torch.randn_like(inputs))
    model = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.9), nn.Linear(4, 2), noise)
    inputs, random_state = torch.randn(9, 4), torch.get_rng_state()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    looks = looks_of(model, inputs)
    np.testing.assert_array_equal(looks['0'].seen, looks['1'].seen)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random_state)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    with pytest.raises(RuntimeError):
        look_into(model, torch.randn(9, 5), lambda rows: rows)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
