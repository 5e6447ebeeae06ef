"""Along which direction are these points spread? By a network of sets."""

from _data import halves
from _generated import clouds
from torch import nn

TRIAL_SAMPLES = 80_000
accuracy_style = 'classification'
loss = nn.CrossEntropyLoss


class Sets(nn.Module):
    """A layer for each point, their mean, and a layer after it."""

    def __init__(self, width):
        super().__init__()
        self.each = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.all = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 8))

    def forward(self, points):
        return self.all(self.each(points - points.mean(1, keepdim=True)).mean(1))


def model():
    return Sets(24)


def dataset():
    return halves(*clouds(1600), 600)
