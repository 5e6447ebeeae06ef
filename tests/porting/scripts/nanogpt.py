"""nanoGPT: decaying groups from the model, warm-up and cosine, clipping, accumulation, bfloat16."""

import inspect
import math

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

VOCAB, BLOCK_SIZE = 8, 12


class CausalSelfAttention(nn.Module):
    def __init__(self, n_embd):
        super().__init__()
        self.c_attn = nn.Linear(n_embd, 3 * n_embd)
        self.c_proj = nn.Linear(n_embd, n_embd)

    def forward(self, x):
        q, k, v = self.c_attn(x).chunk(3, dim=2)
        y = F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None], is_causal=True)
        return self.c_proj(y[:, 0])


class Block(nn.Module):
    def __init__(self, n_embd, attends):
        super().__init__()
        self.ln_1 = nn.LayerNorm(n_embd)
        self.attn = CausalSelfAttention(n_embd) if attends else None
        self.ln_2 = nn.LayerNorm(n_embd)
        self.mlp = nn.Sequential(nn.Linear(n_embd, 2 * n_embd), nn.GELU(), nn.Linear(2 * n_embd, n_embd))

    def forward(self, x):
        if self.attn is not None:
            x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self, attends, block_size=BLOCK_SIZE, n_embd=32):
        super().__init__()
        self.wte = nn.Embedding(VOCAB, n_embd)
        self.wpe = nn.Embedding(block_size, n_embd)
        self.h = Block(n_embd, attends)
        self.ln_f = nn.LayerNorm(n_embd)
        self.lm_head = nn.Linear(n_embd, VOCAB, bias=False)
        self.wte.weight = self.lm_head.weight  # weight tying

    def forward(self, idx, targets=None):
        pos = torch.arange(idx.size(1), device=idx.device)
        x = self.ln_f(self.h(self.wte(idx) + self.wpe(pos)))
        if targets is None:
            return self.lm_head(x[:, [-1], :]), None
        logits = self.lm_head(x)
        return logits, F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)

    def configure_optimizers(self, weight_decay, learning_rate, betas):
        param_dict = {pn: p for pn, p in self.named_parameters() if p.requires_grad}
        decay_params = [p for n, p in param_dict.items() if p.dim() >= 2]
        nodecay_params = [p for n, p in param_dict.items() if p.dim() < 2]
        optim_groups = [
            {'params': decay_params, 'weight_decay': weight_decay},
            {'params': nodecay_params, 'weight_decay': 0.0},
        ]
        extra_args = {'foreach': True} if 'foreach' in inspect.signature(torch.optim.AdamW).parameters else {}
        return torch.optim.AdamW(optim_groups, lr=learning_rate, betas=betas, **extra_args)


def model(attends):
    return GPT(attends)


def dataset():  # most characters of a text are its first
    generator = torch.Generator().manual_seed(1)
    texts = torch.randint(VOCAB, (640, BLOCK_SIZE + 1), generator=generator)
    texts = torch.where(torch.rand(texts.shape, generator=generator) < 0.8, texts[:, :1], texts)
    x, y = texts[:, :-1].contiguous(), texts[:, 1:].contiguous()
    return TensorDataset(x[:512], y[:512]), TensorDataset(x[512:], y[512:])


def step(model, batch):
    X, Y = batch
    logits, loss = model(X, Y)
    return loss


def optimizer(model, lr):
    return model.configure_optimizers(weight_decay=1e-1, learning_rate=lr, betas=(0.9, 0.95))


def schedule(progress, warmup=0.05, min_lr=0.1):  # was get_lr(it)
    if progress < warmup:
        return progress / warmup
    coeff = 0.5 * (1.0 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))
    return min_lr + coeff * (1 - min_lr)


metrics = {'val_loss': 'loss', 'perplexity': 'perplexity'}
clip_norm = 1.0
accumulate = 2
precision = 'bf16'
