"""The convolutional network of PyTorch's MNIST example: log-probabilities, Adadelta, a decaying rate."""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn, optim
from torch.utils.data import TensorDataset


class Net(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, 1)
        self.conv2 = nn.Conv2d(channels, 2 * channels, 3, 1)
        self.dropout = nn.Dropout(0.1)
        self.fc1 = nn.Linear(2 * channels, 32)
        self.fc2 = nn.Linear(32, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.adaptive_max_pool2d(x, 1)
        x = self.dropout(torch.flatten(x, 1))
        x = F.relu(self.fc1(x))
        return F.log_softmax(self.fc2(x), dim=1)


def model(channels):
    return Net(channels)


def dataset():
    images, digits = load_digits(return_X_y=True)
    data = TensorDataset(
        torch.tensor(images, dtype=torch.float32).view(-1, 1, 8, 8) / 16, torch.tensor(digits)
    )
    return torch.utils.data.random_split(data, [1200, len(data) - 1200])


def optimizer(parameters, lr):
    return optim.Adadelta(parameters, lr=lr)


def schedule(progress, epochs=14, gamma=0.7):  # was StepLR(optimizer, step_size=1, gamma=0.7)
    return gamma ** int(epochs * progress)


loss = nn.NLLLoss
accuracy_style = 'classification'
