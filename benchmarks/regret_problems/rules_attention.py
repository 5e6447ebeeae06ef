"""Which rule made this sequence? By self-attention."""

import torch
from _data import LENGTH, RULES, SYMBOLS, halves, sequences
from torch import nn

TRIAL_SAMPLES = 80_000
accuracy_style = 'classification'
loss = nn.CrossEntropyLoss


class Attention(nn.Module):
    """One head, a residual connection, and a layer after it."""

    def __init__(self, width):
        super().__init__()
        self.ask, self.offer, self.say = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.norm = nn.LayerNorm(width)
        self.layer = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    def forward(self, states):
        scores = self.ask(states) @ self.offer(states).transpose(1, 2) / states.shape[2] ** 0.5
        states = states + scores.softmax(dim=2) @ self.say(states)
        return states + self.layer(self.norm(states))


class Reader(nn.Module):
    """Reads symbols of shape (batch, length) and answers with the rules' logits."""

    def __init__(self, width):
        super().__init__()
        self.embedding = nn.Embedding(SYMBOLS, width)
        self.position = nn.Parameter(torch.randn(LENGTH, width))
        self.layers = nn.Sequential(Attention(width), Attention(width))
        self.head = nn.Linear(width, RULES)

    def forward(self, symbols):
        return self.head(self.layers(self.embedding(symbols) + self.position).mean(dim=1))


def model():
    return Reader(16)


def dataset():
    return halves(*sequences(1000), 200)
