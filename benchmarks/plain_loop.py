"""What one would write without sweeper: a DataLoader, an optimizer, a loop; and the problem for both sides.

The problem is sweeper's (a module with `model`, `dataset`, `loss`, `accuracy_style`); `train` trains one
trial of it the ordinary way. The peers of `sweep_vs.py` all call `train`.
"""

import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

accuracy_style = 'classification'
loss = nn.CrossEntropyLoss


def model(kind, width):
    if kind == 'mlp':
        return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1, bias=False), nn.BatchNorm2d(2 * width), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * width, 10),
    )  # fmt: skip


def dataset():
    images, labels = load_digits(return_X_y=True)
    inputs = torch.tensor(images / 16, dtype=torch.float32).view(-1, 1, 8, 8)
    targets = torch.tensor(labels)
    return TensorDataset(inputs[360:], targets[360:]), TensorDataset(inputs[:360], targets[:360])


@torch.no_grad()
def accuracy(network, data, device):
    network.eval()
    right = sum(
        (network(inputs.to(device)).argmax(1) == targets.to(device)).sum().item()
        for inputs, targets in DataLoader(data, 256)
    )
    network.train()
    return right / len(data)


def train(kind, width, seed, epochs, lr, batch_size, device='cpu', cycle=10):
    """One trial; scored on training and validation data every `cycle` epochs, as sweeper's trials are."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    training, validation = dataset()
    network, criterion = model(kind, width).to(device), loss()
    optimizer = torch.optim.SGD(network.parameters(), lr)
    loader = DataLoader(training, batch_size, shuffle=True, pin_memory=device != 'cpu')
    for epoch in range(1, epochs + 1):
        for inputs, targets in loader:
            inputs, targets = (part.to(device, non_blocking=True) for part in (inputs, targets))
            optimizer.zero_grad()
            criterion(network(inputs), targets).backward()
            optimizer.step()
        if epoch % cycle == 0 or epoch == epochs:
            scores = tuple(accuracy(network, data, device) for data in (training, validation))
    return scores


if __name__ == '__main__':
    kind, width, seed, epochs, lr, batch_size, *device = sys.argv[1:]
    print(*train(kind, int(width), int(seed), int(epochs), float(lr), int(batch_size), *device))
