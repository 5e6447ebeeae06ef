"""PyTorch's siamese network: a model of two images, pairs drawn at random, the BCE of a probability."""

import random

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import Dataset


class SiameseNetwork(nn.Module):
    def __init__(self, is_siamese):
        super().__init__()
        self.towers = nn.ModuleList(
            nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 16)) for _ in range(2 - is_siamese)
        )
        self.fc = nn.Sequential(nn.Linear(16, 1), nn.Sigmoid())

    def forward(self, input1, input2):
        output1 = self.towers[0](input1)
        output2 = self.towers[-1](input2)
        return self.fc((output1 - output2).abs())


class APPMATCHER(Dataset):
    def __init__(self, images, digits):
        self.images, self.digits = images, digits
        self.grouped_examples = [[i for i, d in enumerate(digits) if d == digit] for digit in range(10)]

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        digit = int(self.digits[index])
        if index % 2:
            target, other = 1.0, random.choice(self.grouped_examples[digit])
        else:
            target = 0.0
            other = random.choice(self.grouped_examples[random.choice([d for d in range(10) if d != digit])])
        return self.images[index], self.images[other], torch.tensor(target)


def model(is_siamese):
    return SiameseNetwork(is_siamese)


def dataset():
    images, digits = load_digits(return_X_y=True)
    images = torch.tensor(images / 16, dtype=torch.float32)
    return APPMATCHER(images[:500], digits[:500]), APPMATCHER(images[500:1000], digits[500:1000])


def step(model, batch):
    images_1, images_2, targets = batch
    outputs = model(images_1, images_2).squeeze(1)
    return nn.functional.binary_cross_entropy(outputs, targets)


def predict(model, batch):
    images_1, images_2, targets = batch
    return model(images_1, images_2), targets.unsqueeze(1)


accuracy_style = 'multiclass'


def optimizer(parameters, lr):
    return torch.optim.Adam(parameters, lr=lr)
