"""How many hidden units must a recurrent network have to reproduce a sequence that it has heard?

The network reads 8 random numbers, then, with no further input, must say them again in order. Its loss
is the mean squared error; performance is `1 / (loss + 1)`.

    python examples/sequence_rnn.py
    sweeper run examples/sequence_rnn.py --grid hidden=4,8 --preset fastest
"""

import sys

import torch
from torch import nn
from torch.utils.data import TensorDataset

from sweeper import FixedSweep, sweep

LENGTH = 8


class Echo(nn.Module):
    """Hears a sequence of shape (batch, LENGTH) and returns it from memory, in the same shape."""

    def __init__(self, hidden):
        super().__init__()
        self.rnn = nn.RNN(2, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)
        nn.init.orthogonal_(self.rnn.weight_hh_l0)

    def forward(self, sequence):
        silence = torch.zeros_like(sequence)
        heard = torch.cat([sequence, silence], dim=1)
        speak = torch.cat([silence, silence + 1], dim=1)
        states, _ = self.rnn(torch.stack([heard, speak], dim=2))
        return self.head(states[:, LENGTH:]).squeeze(2)


def model(hidden):
    return Echo(hidden)


def dataset():
    sequences = torch.rand(1200, LENGTH, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return tuple(TensorDataset(part, part) for part in sequences.split([1000, 200]))


loss = nn.MSELoss
accuracy_style = 'inv-loss'


def selector(trials=3):
    return FixedSweep.with_fixed_trials([(4,), (8,), (16,), (32,)], trials)


if __name__ == '__main__':
    folder = sys.argv[1] if len(sys.argv) > 1 else 'out/sequence_rnn'
    for result in sweep('__main__', selector(), 4, 'fastest', folder):
        print(*result.params, 'loss', result.loss_val.round(4))
