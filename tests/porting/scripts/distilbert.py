"""A Hugging Face style classifier: dicts of padded ids, masks and labels, a `ModelOutput` with the loss."""

from collections import OrderedDict
from dataclasses import dataclass, fields

import torch
from torch import nn
from torch.utils.data import Dataset

VOCAB, LENGTH, WIDTH, YES, NO = 12, 10, 24, 1, 2


class ModelOutput(OrderedDict):
    """As in `transformers`: a dict, a tuple and an object with the same content, without what is None."""

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                self[field.name] = value

    def __getitem__(self, key):
        return super().__getitem__(key) if isinstance(key, str) else tuple(self.values())[key]


@dataclass
class SequenceClassifierOutput(ModelOutput):
    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None


class TinyBertForSequenceClassification(nn.Module):
    def __init__(self, n_layers):
        super().__init__()
        self.word_embeddings = nn.Embedding(VOCAB, WIDTH, padding_idx=0)
        self.position_embeddings = nn.Embedding(LENGTH, WIDTH)
        self.layer = nn.ModuleList(
            nn.TransformerEncoderLayer(WIDTH, 2, 2 * WIDTH, dropout=0.0, batch_first=True, norm_first=True)
            for _ in range(n_layers)
        )
        self.classifier = nn.Linear(WIDTH, 2)

    def forward(self, input_ids=None, attention_mask=None, labels=None):
        positions = torch.arange(input_ids.size(1), device=input_ids.device)
        hidden_state = self.word_embeddings(input_ids) + self.position_embeddings(positions)
        for layer in self.layer:
            hidden_state = layer(hidden_state, src_key_padding_mask=attention_mask == 0)
        mask = attention_mask[..., None]
        logits = self.classifier((hidden_state * mask).sum(1) / mask.sum(1))
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


class Encodings(Dataset):
    """Sentences that say yes and no: the label is which of them comes first."""

    def __init__(self, count, seed):
        generator = torch.Generator().manual_seed(seed)
        self.items = []
        for index in range(count):
            length = int(torch.randint(4, LENGTH + 1, (), generator=generator))
            ids = torch.randint(3, VOCAB, (length,), generator=generator)
            first, second = sorted(torch.randperm(length, generator=generator)[:2].tolist())
            ids[first], ids[second] = (YES, NO) if index % 2 else (NO, YES)
            padding = torch.zeros(LENGTH - length, dtype=torch.long)
            mask = torch.cat([torch.ones_like(ids), padding])
            item = {'input_ids': torch.cat([ids, padding]), 'attention_mask': mask, 'labels': index % 2}
            self.items.append(item)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, idx):
        return self.items[idx]


def model(n_layers):
    return TinyBertForSequenceClassification(n_layers)


def dataset():
    return Encodings(512, seed=0), Encodings(256, seed=1)


def step(model, batch):
    return model(**batch).loss


def predict(model, batch):
    return model(**batch).logits, batch['labels']


metrics = {'accuracy': 'accuracy', 'f1': 'f1'}
clip_norm = 1.0


def optimizer(model, lr):
    no_decay = ('bias', 'norm')
    named = dict(model.named_parameters())
    decayed = [p for n, p in named.items() if not any(nd in n for nd in no_decay)]
    others = [p for n, p in named.items() if any(nd in n for nd in no_decay)]
    groups = [{'params': decayed, 'weight_decay': 0.01}, {'params': others, 'weight_decay': 0.0}]
    return torch.optim.AdamW(groups, lr=lr)


def schedule(progress, warmup=0.1):  # was get_linear_schedule_with_warmup
    return progress / warmup if progress < warmup else (1 - progress) / (1 - warmup)
