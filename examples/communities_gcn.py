"""How many layers must a graph network have to find communities? Samples are nodes, the graph is a buffer.

The graph is made up: nodes of one community are linked more often, and their features tell a little. Training
sees all of it, and the labels of a fifth of the nodes (Kipf and Welling 2017).

    python examples/communities_gcn.py
    sweeper run examples/communities_gcn.py --grid layers=0,1,2 --grid hidden=16 --preset fastest
"""

import sys

import torch
from torch import nn
from torch.utils.data import Subset, TensorDataset

from sweeper import FixedSweep, sweep

NODES, COMMUNITIES, FEATURES = 500, 5, 16


def graph():
    """Returns the normalised adjacency matrix, the nodes' features and their communities."""
    generator = torch.Generator().manual_seed(0)
    communities = torch.randint(COMMUNITIES, (NODES,), generator=generator)
    chance = torch.where(communities[:, None] == communities, 0.04, 0.004)
    links = (torch.rand(NODES, NODES, generator=generator) < chance).triu(1).float()
    links = links + links.T + torch.eye(NODES)
    scale = links.sum(1).rsqrt()
    centres = torch.randn(COMMUNITIES, FEATURES, generator=generator)
    features = 0.4 * centres[communities] + torch.randn(NODES, FEATURES, generator=generator)
    return (scale[:, None] * links * scale).to_sparse(), features, communities


class GraphNetwork(nn.Module):
    """A perceptron with a hidden layer that sees, `layers` times, the mean over neighbours."""

    def __init__(self, layers, hidden):
        super().__init__()
        adjacency, features, _ = graph()
        self.register_buffer('adjacency', adjacency)
        self.register_buffer('features', features)
        self.layers = layers
        self.first, self.last = nn.Linear(FEATURES, hidden), nn.Linear(hidden, COMMUNITIES)
        self.dropout = nn.Dropout(0.5)

    def forward(self, nodes):
        states = self.features
        for _ in range(self.layers - 1):
            states = torch.mm(self.adjacency, states)
        states = self.last(self.dropout(torch.relu(self.first(states))))
        return (torch.mm(self.adjacency, states) if self.layers else states)[nodes]


def model(layers, hidden):
    return GraphNetwork(layers, hidden)


def dataset():
    nodes = TensorDataset(torch.arange(NODES), graph()[2])
    return Subset(nodes, range(NODES // 5)), Subset(nodes, range(NODES // 5, NODES))


def optimizer(parameters, lr):
    return torch.optim.Adam(parameters, lr, weight_decay=5e-4)


loss = nn.CrossEntropyLoss
metrics = {'accuracy': 'accuracy', 'f1': 'f1'}


def selector(trials=3):
    points = [(layers, hidden) for layers in (0, 1, 2, 3) for hidden in (16,)]
    return FixedSweep.with_fixed_trials(points, trials)


if __name__ == '__main__':
    folder = sys.argv[1] if len(sys.argv) > 1 else 'out/communities_gcn'
    for result in sweep('__main__', selector(), 2, 'fastest', folder):
        print(*result.params, result.perf_val.mean().round(4))
