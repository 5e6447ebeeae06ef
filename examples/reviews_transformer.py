"""How many layers must a transformer have to see what `not` belongs to? Batches are dicts, as of a tokenizer.

Each made-up review is of two things, in either order. It counts as good if the food is good, and `not` turns
what follows it. A model of Hugging Face works the same way: `model(**batch)` returns `loss` and `logits`.

    python examples/reviews_transformer.py
    sweeper run examples/reviews_transformer.py --grid layers=0,1 --grid heads=2 --preset fastest
"""

import random
import sys
from types import SimpleNamespace

import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import Dataset

from sweeper import FixedSweep, sweep

WORDS = ['', 'the', 'food', 'place', 'was', 'not', 'good', 'bad', 'and', 'really', 'rather', 'always']
LONGEST, WIDTH = 16, 32


def review(draw):
    """Returns a text, and whether the food is good."""
    words, is_good = [], {}
    for thing in draw.sample(['food', 'place'], 2):
        is_negated, is_praised = draw.random() < 0.5, draw.random() < 0.5
        filler = draw.sample(WORDS[9:], draw.randint(0, 2))
        words += ['the', thing, 'was', *['not'] * is_negated, *filler, 'good' if is_praised else 'bad', 'and']
        is_good[thing] = is_praised != is_negated
    return words[:-1], is_good['food']


class Reviews(Dataset):
    """Numbers of words, filled up with 0, with a mask of those that count."""

    def __init__(self, count, seed):
        draw = random.Random(seed)
        self.reviews = [review(draw) for _ in range(count)]

    def __len__(self):
        return len(self.reviews)

    def __getitem__(self, index):
        words, label = self.reviews[index]
        ids = torch.tensor([WORDS.index(word) for word in words])
        ids = functional.pad(ids, (0, LONGEST - len(ids)))
        return {'input_ids': ids, 'attention_mask': (ids > 0).long(), 'labels': int(label)}


class Classifier(nn.Module):
    """Without a layer, what is left is a bag of words."""

    def __init__(self, layers, heads):
        super().__init__()
        self.words, self.places = nn.Embedding(len(WORDS), WIDTH), nn.Embedding(LONGEST, WIDTH)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(WIDTH, heads, 2 * WIDTH, 0.0, batch_first=True, norm_first=True)
            for _ in range(layers)
        )
        self.head = nn.Linear(WIDTH, 2)

    def forward(self, input_ids, attention_mask, labels):
        states = self.words(input_ids) + self.places.weight
        for layer in self.layers:
            states = layer(states, src_key_padding_mask=attention_mask == 0)
        shares = attention_mask / attention_mask.sum(1, keepdim=True)
        logits = self.head(torch.einsum('bl,blw->bw', shares, states))
        return SimpleNamespace(loss=functional.cross_entropy(logits, labels), logits=logits)


def model(layers, heads):
    return Classifier(layers, heads)


def dataset():
    return Reviews(1500, seed=0), Reviews(500, seed=1)


def step(model, batch):
    return model(**batch).loss


def predict(model, batch):
    return model(**batch).logits, batch['labels']


def optimizer(parameters, lr):
    return torch.optim.AdamW(parameters, lr, weight_decay=0.01)


metrics = {'accuracy': 'accuracy', 'f1': 'f1'}
clip_norm = 1.0
schedule = 'one-cycle'


def selector(trials=3):
    return FixedSweep.with_fixed_trials([(0, 2), (1, 2), (2, 2)], trials)


if __name__ == '__main__':
    folder = sys.argv[1] if len(sys.argv) > 1 else 'out/reviews_transformer'
    for result in sweep('__main__', selector(), 2, 'fastest', folder):
        print(*result.params, result.perf_val.mean().round(4))
