"""Parameters and operations are those that one counts by hand, or it is said why they are not told."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import Dataset

from sweeper.training.cost import model_cost
from sweeper.training.data import InMemorySplit, ItemSplit
from sweeper.training.isolation import torch_switches

CPU = torch.device('cpu')
FLAT, SEQUENCE, IMAGE = (5, 8), (5, 7, 8), (5, 2, 6, 6)


class Made(nn.Module):
    """A model of a function, called with the modules and the inputs."""

    def __init__(self, function, *modules):
        super().__init__()
        self.function, self.layers = function, nn.ModuleList(modules)

    def forward(self, inputs):
        return self.function(*self.layers, inputs)


def split(shape=FLAT):
    return InMemorySplit((torch.randn(shape), torch.zeros(shape[0])), CPU)


def recurrent(kind, **options):
    return kind(8, 5, batch_first=True, **options)


COUNTED = {
    'mlp': (lambda: nn.Sequential(nn.Linear(8, 3), nn.ReLU(), nn.Linear(3, 2)), FLAT, 2 * (8 * 3 + 3 * 2)),
    'without bias': (lambda: nn.Linear(8, 3, bias=False), FLAT, 2 * 8 * 3),
    'on every step': (lambda: nn.Linear(8, 3), SEQUENCE, 7 * 2 * 8 * 3),
    'convolution': (lambda: nn.Conv2d(2, 4, 3), IMAGE, 2 * 4 * 4 * 4 * 2 * 9),
    'grouped': (lambda: nn.Conv2d(2, 4, 3, groups=2), IMAGE, 2 * 4 * 4 * 4 * 1 * 9),
    'normalised': (lambda: nn.Sequential(nn.BatchNorm1d(8), nn.Linear(8, 3), nn.Dropout()), FLAT, 2 * 8 * 3),
    'rnn': (lambda: recurrent(nn.RNN), SEQUENCE, 2 * 7 * 5 * (8 + 5)),
    'lstm': (lambda: recurrent(nn.LSTM), SEQUENCE, 4 * 2 * 7 * 5 * (8 + 5)),
    'both ways': (lambda: recurrent(nn.LSTM, bidirectional=True), SEQUENCE, 2 * 4 * 2 * 7 * 5 * (8 + 5)),
    'gru': (lambda: recurrent(nn.GRU), SEQUENCE, 3 * 2 * 7 * 5 * (8 + 5)),
    'attention': (
        lambda: Made(lambda m, x: m(x, x, x), nn.MultiheadAttention(8, 2, batch_first=True)),
        SEQUENCE,
        4 * 2 * 7 * 8 * 8 + 2 * (2 * 7 * 7 * 8),
    ),
    'transformer': (
        lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
        SEQUENCE,
        4 * 2 * 7 * 8 * 8 + 2 * (2 * 7 * 7 * 8) + 2 * (2 * 7 * 8 * 16),
    ),
    'fused attention': (
        lambda: Made(lambda x: functional.scaled_dot_product_attention(x, x, x)),
        SEQUENCE,
        2 * (2 * 7 * 7 * 8),
    ),
    'matrix by vector': (lambda: Made(lambda x: x[0] @ x[0, 0]), SEQUENCE, 2 * 7 * 8),
    'and added': (lambda: Made(lambda x: torch.addmv(x[0, :, 0], x[0], x[0, 0])), SEQUENCE, 2 * 7 * 8),
    'vector by vector': (lambda: Made(lambda x: x[0] @ x[0]), FLAT, 2 * 8),
    'in inference mode': (
        lambda: Made(torch.inference_mode()(lambda m, x: m(x)), nn.Linear(8, 3)), FLAT, 2 * 8 * 3
    ),
    'nothing to multiply': (lambda: Made(lambda x: functional.interpolate(x, scale_factor=2)), IMAGE, 0),
    'no step too light': (
        lambda: Made(lambda x: functional.interpolate(x.lgamma(), scale_factor=2, mode='bilinear').norm()),
        IMAGE,
        0,
    ),
}  # fmt: skip


@pytest.mark.parametrize(('make', 'shape', 'flops'), COUNTED.values(), ids=COUNTED)
def test_operations_are_those_counted_by_hand(make, shape, flops):
    cost = model_cost(make(), split(shape))
    assert (cost.flops, cost.reason) == (flops, None)


def test_parameters_count_once_and_the_trainable_apart():
    first, second = nn.Linear(8, 8), nn.Linear(8, 2)
    first.bias.requires_grad_(False)
    cost = model_cost(nn.Sequential(first, first, second), split())
    assert (cost.parameters, cost.trainable_parameters) == (64 + 8 + 16 + 2, 64 + 16 + 2)
    assert cost.flops == 2 * (64 + 64 + 16), 'a layer that is used twice works twice'


# What cannot be counted


@torch.library.custom_op('sweeper_tests::by_three', mutates_args=())
def by_three(inputs: torch.Tensor) -> torch.Tensor:
    return inputs @ torch.ones(8, 3)


UNKNOWN = {
    'bilinear': (lambda: Made(lambda m, x: m(x, x), nn.Bilinear(8, 8, 2)), 'no formula for aten._trilinear'),
    'fourier': (lambda: Made(lambda x: torch.fft.rfft(x)), 'no formula for aten._fft_r2c'),
    'distances': (lambda: Made(lambda x: torch.cdist(x, x)), 'no formula for aten._cdist_forward'),
    'inverse': (lambda: Made(lambda x: torch.linalg.inv(x.T @ x + torch.eye(8))), 'aten.linalg_inv'),
    'sparse': (lambda: Made(lambda x: torch.sparse.mm(torch.eye(8).to_sparse(), x.T)), 'aten._sparse_'),
    'from elsewhere': (lambda: Made(by_three), 'no formula for sweeper_tests.by_three'),
    'several': (lambda: Made(lambda x: torch.cdist(x, torch.fft.fft(x).real)), '_cdist_forward, aten._fft'),
    'raises': (lambda: Made(lambda x: x[99]), 'a forward pass on one sample raised IndexError'),
}


@pytest.mark.parametrize(('make', 'reason'), UNKNOWN.values(), ids=UNKNOWN)
def test_work_that_cannot_be_counted_is_not_taken_for_none(make, reason):
    model = nn.Sequential(nn.Linear(8, 8), make())
    cost = model_cost(model, split())
    assert cost.flops is None and reason in cost.reason
    assert cost.parameters == sum(parameter.numel() for parameter in model.parameters())


def test_a_lazy_layer_that_no_sample_reached_has_no_parameters_to_count():
    cost = model_cost(Made(lambda _, x: x, nn.LazyLinear(3)), split())
    assert (cost.parameters, cost.trainable_parameters, cost.flops) == (None, None, None)
    assert 'parameters' in cost.reason


def test_data_that_cannot_be_read_is_a_reason():
    class Broken(Dataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            raise OSError('the disk is gone')

    cost = model_cost(nn.Linear(8, 3), ItemSplit(Broken(), CPU))
    assert (cost.parameters, cost.flops) == (27, None) and 'OSError' in cost.reason


# How it is counted


def test_a_model_that_cannot_take_a_single_sample_is_given_two():
    one_by_one = Made(lambda m, x: m(x).squeeze()[:, 0], nn.Linear(8, 3))
    assert model_cost(one_by_one, split()).flops == 2 * 8 * 3


def test_a_model_that_diverged_and_minds_it_is_counted():
    def careful(layer, inputs):
        output = layer(inputs)
        assert torch.isfinite(output).all()
        return output

    layer = nn.Linear(8, 3)
    nn.init.constant_(layer.weight, float('nan'))
    cost = model_cost(Made(careful, layer), split())
    assert (cost.flops, cost.reason) == (2 * 8 * 3, None)


def test_what_only_training_does_does_not_count():
    model = Made(lambda one, more, x: more(one(x)) if more.training else one(x), *[nn.Linear(8, 8)] * 2)
    assert model_cost(model, split()).flops == 2 * 8 * 8


def test_nothing_else_is_changed():
    def noisy(layers, inputs):
        return layers(inputs + torch.randn_like(inputs) + np.random.random() + random.random())

    layers = nn.Sequential(nn.BatchNorm1d(8), nn.Linear(8, 3))
    state = {name: value.clone() for name, value in layers.state_dict().items()}
    switches = torch_switches(), torch.backends.mha.get_fastpath_enabled()
    kernels = torch._C._get_mkldnn_enabled(), torch._C._get_cudnn_enabled()
    here = split()
    random_states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    for function in (noisy, lambda layers, inputs: noisy(layers, inputs)[99]):
        model_cost(Made(function, layers), here)
        assert (torch_switches(), torch.backends.mha.get_fastpath_enabled()) == switches
        assert (torch._C._get_mkldnn_enabled(), torch._C._get_cudnn_enabled()) == kernels
        assert torch.equal(torch.get_rng_state(), random_states[0])
        assert (np.random.get_state()[1].tolist(), random.getstate()) == random_states[1:]
        assert all(torch.equal(value, state[name]) for name, value in layers.state_dict().items())
