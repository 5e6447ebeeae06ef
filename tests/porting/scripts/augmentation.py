"""The usual image classifier: random crops, label smoothing, SGD with Nesterov momentum, one cycle."""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import Dataset


class RandomCrop:
    def __init__(self, size, padding):
        self.size, self.padding = size, padding

    def __call__(self, image):
        image = F.pad(image, [self.padding] * 4)
        top, left = torch.randint(image.shape[-1] - self.size + 1, (2,)).tolist()
        return image[:, top : top + self.size, left : left + self.size]


class Digits(Dataset):
    def __init__(self, train, transform=None):
        images, self.digits = load_digits(return_X_y=True)
        self.images = torch.tensor(images, dtype=torch.float32).view(-1, 1, 8, 8) / 16
        self.rows = range(400) if train else range(1000, 1400)
        self.transform = transform

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        image = self.images[self.rows[index]]
        return image if self.transform is None else self.transform(image), int(self.digits[self.rows[index]])


def model(kind):
    if kind == 'linear':
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    return nn.Sequential(
        nn.Conv2d(1, 12, 3), nn.BatchNorm2d(12), nn.ReLU(),
        nn.Conv2d(12, 24, 3), nn.BatchNorm2d(24), nn.ReLU(),
        nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Linear(96, 10),
    )  # fmt: skip


def dataset():
    return Digits(train=True, transform=RandomCrop(8, padding=1)), Digits(train=False)


def loss():
    return nn.CrossEntropyLoss(label_smoothing=0.1)


def optimizer(parameters, lr):
    return torch.optim.SGD(parameters, lr=lr, momentum=0.9, nesterov=True, weight_decay=5e-4)


schedule = 'one-cycle'
accuracy_style = 'classification'
