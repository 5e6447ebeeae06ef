"""The next four values of a chaotic series, by a gated recurrent network that has read twenty."""

import torch
from _generated import delayed_series
from torch import nn

TRIAL_SAMPLES = 60_000
BEFORE, AHEAD = 20, 4
accuracy_style = 'inv-loss'
loss = nn.MSELoss


class Forecaster(nn.Module):
    """Reads windows of shape (batch, BEFORE) and forecasts the AHEAD values that follow."""

    def __init__(self, hidden):
        super().__init__()
        self.gru = nn.GRU(1, hidden, batch_first=True)
        self.head = nn.Linear(hidden, AHEAD)

    def forward(self, windows):
        states, _ = self.gru(windows.unsqueeze(-1))
        return self.head(states[:, -1])


def model():
    return Forecaster(16)


def dataset():
    windows = delayed_series(1200 + BEFORE + AHEAD - 1).unfold(0, BEFORE + AHEAD, 1)
    before, after = windows[:, :BEFORE].contiguous(), windows[:, BEFORE:].contiguous()
    train, val = slice(0, 800), slice(800 + BEFORE + AHEAD, None)  # the last ones, which share no value
    as_set = torch.utils.data.TensorDataset
    return as_set(before[train], after[train]), as_set(before[val], after[val])
