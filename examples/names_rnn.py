"""Which recurrent network is best at making up names? A character model, in bits per character.

The usual recipe for such: warm-up and a cosine, gradients clipped, weight decay for matrices only. They are
`schedule`, `clip_norm`, and an `optimizer` that gets the model to sort its parameters by their names.

    python examples/names_rnn.py
    sweeper run examples/names_rnn.py --grid kind=gru,rnn --grid hidden=32 --preset fastest
"""

import math
import random
import sys

import torch
from torch import nn
from torch.utils.data import TensorDataset

from sweeper import FixedSweep, sweep

LETTERS = '.abcdefghijklmnopqrstuvwxyz'  # a point begins and ends a name
LONGEST = 12
LAYERS = {'rnn': nn.RNN, 'gru': nn.GRU, 'lstm': nn.LSTM}


def names(count=1200):
    """Made-up names: syllables of one of two languages each, so that beginnings tell of ends."""
    languages = [
        (['ka', 'ri', 'to', 'mi', 'sa', 'no', 'ha', 'yu'], ['ko', 'shi', 'ra']),
        (['bel', 'gar', 'thor', 'und', 'wil', 'fre', 'mar'], ['rik', 'mund', 'a', 'helm']),
    ]
    draw, made = random.Random(0), set()
    while len(made) < count:
        inner, ends = draw.choice(languages)
        made.add(''.join([*draw.choices(inner, k=draw.randint(1, 3)), draw.choice(ends)])[: LONGEST - 1])
    return draw.sample(sorted(made), count)


class Characters(nn.Module):
    """Says, at every letter, how likely each next one is: (batch, length) to (batch, letters, length)."""

    def __init__(self, kind, hidden):
        super().__init__()
        self.embedding = nn.Embedding(len(LETTERS), 16)
        self.layer = LAYERS[kind](16, hidden, batch_first=True)
        self.head = nn.Linear(hidden, len(LETTERS))

    def forward(self, letters):
        states, _ = self.layer(self.embedding(letters))
        return self.head(states).transpose(1, 2)


def model(kind, hidden):
    return Characters(kind, hidden)


def dataset():
    texts = [[LETTERS.index(letter) for letter in f'.{name}.'] for name in names()]
    inputs = torch.zeros(len(texts), LONGEST, dtype=torch.long)
    targets = torch.full((len(texts), LONGEST), -100)  # what follows the end does not count
    for row, text in enumerate(texts):
        inputs[row, : len(text) - 1] = torch.tensor(text[:-1])
        targets[row, : len(text) - 1] = torch.tensor(text[1:])
    return TensorDataset(inputs[:1000], targets[:1000]), TensorDataset(inputs[1000:], targets[1000:])


def optimizer(model, lr):
    decays = [p for name, p in model.named_parameters() if 'weight' in name and 'embedding' not in name]
    others = [p for name, p in model.named_parameters() if 'weight' not in name or 'embedding' in name]
    groups = [{'params': decays, 'weight_decay': 0.1}, {'params': others, 'weight_decay': 0.0}]
    return torch.optim.AdamW(groups, lr)


def schedule(progress):
    """A tenth of the training warms up, the rest is half a cosine."""
    return progress / 0.1 if progress < 0.1 else (1 + math.cos(math.pi * (progress - 0.1) / 0.9)) / 2


loss = nn.CrossEntropyLoss
metrics = {'bits_per_character': 'bits_per_character', 'accuracy': 'accuracy'}
clip_norm = 1.0


def selector(trials=3):
    points = [(kind, hidden) for kind in LAYERS for hidden in (16, 64)]
    return FixedSweep.with_fixed_trials(points, trials)


if __name__ == '__main__':
    folder = sys.argv[1] if len(sys.argv) > 1 else 'out/names_rnn'
    for result in sweep('__main__', selector(), 2, 'fastest', folder):
        print(*result.params, result.perf_val.mean().round(3), 'bits per character')
