import pytest
import torch
from torch import nn

from sweeper.training.data import InMemorySplit
from sweeper.training.memory_format import prefers_channels_last

CPU = torch.device('cpu')


def convolution(*layers):
    return nn.Sequential(nn.Conv2d(1, 4, 3), *layers)


@pytest.mark.parametrize(
    ('model', 'shape', 'device', 'expected'),
    [
        (convolution(), (1, 8, 8), CPU, True),
        (convolution(nn.BatchNorm2d(4)), (1, 16, 16), CPU, True),
        (convolution(nn.BatchNorm2d(4)), (1, 8, 8), CPU, False),
        (convolution(), (1, 16, 16), torch.device('cuda'), False),
        (convolution(), (64,), CPU, False),  # images are made of it in the model
        (nn.Linear(8, 2), (1, 8, 8), CPU, False),
        (nn.Conv1d(1, 2, 3), (1, 8), CPU, False),
    ],
)
def test_channels_are_last_where_that_is_faster(model, shape, device, expected):
    split = InMemorySplit((torch.zeros(3, *shape), torch.zeros(3)), CPU)
    assert prefers_channels_last(model, split, device) is expected
