"""The MLP of makemore: a loss inside the model, which ignores what follows the end of a word."""

import random

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import Dataset


class MLP(nn.Module):
    """Takes the previous `block_size` characters, and predicts the next by an MLP (Bengio et al. 2003)."""

    def __init__(self, block_size, vocab_size, n_embd=12, n_embd2=48):
        super().__init__()
        self.block_size, self.vocab_size = block_size, vocab_size
        self.wte = nn.Embedding(vocab_size + 1, n_embd)  # one more for the blank before a word
        self.mlp = nn.Sequential(
            nn.Linear(block_size * n_embd, n_embd2), nn.Tanh(), nn.Linear(n_embd2, vocab_size)
        )

    def forward(self, idx, targets=None):
        embs = []
        for _ in range(self.block_size):
            tok_emb = self.wte(idx)
            idx = torch.roll(idx, 1, 1)
            idx[:, 0] = self.vocab_size
            embs.append(tok_emb)
        logits = self.mlp(torch.cat(embs, -1))
        loss = None
        if targets is not None:
            loss = F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)
        return logits, loss


class CharDataset(Dataset):
    def __init__(self, words, chars, max_word_length):
        self.words, self.max_word_length = words, max_word_length
        self.stoi = {ch: i + 1 for i, ch in enumerate(chars)}

    def __len__(self):
        return len(self.words)

    def __getitem__(self, idx):
        ix = torch.tensor([self.stoi[ch] for ch in self.words[idx]], dtype=torch.long)
        x = torch.zeros(self.max_word_length + 1, dtype=torch.long)
        y = torch.zeros(self.max_word_length + 1, dtype=torch.long)
        x[1 : 1 + len(ix)] = ix
        y[: len(ix)] = ix
        y[len(ix) + 1 :] = -1  # index -1 will mask the loss at the inactive locations
        return x, y


def dataset():
    draw = random.Random(0)
    words = []
    for _ in range(600):  # what follows depends on the last character or on the one before it
        word = draw.choices(range(8), k=2)
        while len(word) < draw.randint(5, 10):
            word.append((word[-draw.randint(1, 2)] + 3) % 8)
        words.append(''.join('abcdefgh'[k] for k in word))
    return CharDataset(words[:500], 'abcdefgh', 10), CharDataset(words[500:], 'abcdefgh', 10)


def model(block_size):
    return MLP(block_size, vocab_size=9)


def step(model, batch):
    X, Y = batch
    logits, loss = model(X, Y)
    return loss


metrics = {'bits_per_character': 'bits_per_character'}


def optimizer(parameters, lr):
    return torch.optim.AdamW(parameters, lr=lr, weight_decay=0.01, betas=(0.9, 0.99), eps=1e-8)
