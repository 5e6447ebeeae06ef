"""LTSF-Linear: long-term forecasting by one linear layer, in batches of series and time stamps."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

from sweeper import Metric

SEQ_LEN, PRED_LEN = 48, 12


class Linear(nn.Module):
    def __init__(self):
        super().__init__()
        self.Linear = nn.Linear(SEQ_LEN, PRED_LEN)

    def forward(self, x):  # [Batch, Input length, Channel]
        return self.Linear(x.permute(0, 2, 1)).permute(0, 2, 1)


class NLinear(Linear):
    """Normalization-Linear: without the last value, which is added again."""

    def forward(self, x):
        seq_last = x[:, -1:, :].detach()
        return super().forward(x - seq_last) + seq_last


class Dataset_Custom(Dataset):
    def __init__(self, flag):
        time = np.arange(900)
        noise = np.random.default_rng(0).normal(size=(900, 2))
        data = np.sin(2 * np.pi * time / 24)[:, None] + 0.1 * noise + 4 * (time > 600)[:, None]
        border1, border2 = {'train': (0, 600), 'val': (600 - SEQ_LEN, 900)}[flag]
        self.data_x = data[border1:border2]
        self.data_stamp = np.stack([time % 24 / 23 - 0.5, time // 24 % 7 / 6 - 0.5], 1)[border1:border2]

    def __getitem__(self, index):
        s_end = index + SEQ_LEN
        seq_x, seq_y = self.data_x[index:s_end], self.data_x[s_end : s_end + PRED_LEN]
        return seq_x, seq_y, self.data_stamp[index:s_end], self.data_stamp[s_end : s_end + PRED_LEN]

    def __len__(self):
        return len(self.data_x) - SEQ_LEN - PRED_LEN + 1


def MAE(pred, true):
    return np.mean(np.abs(pred - true))


def MSE(pred, true):
    return np.mean((pred - true) ** 2)


def model(kind):
    return {'Linear': Linear, 'NLinear': NLinear}[kind]()


def dataset():
    return Dataset_Custom('train'), Dataset_Custom('val')


def step(model, batch):
    batch_x, batch_y, batch_x_mark, batch_y_mark = batch
    outputs = model(batch_x.float())
    return nn.functional.mse_loss(outputs[:, -PRED_LEN:], batch_y[:, -PRED_LEN:].float())


def predict(model, batch):
    batch_x, batch_y, batch_x_mark, batch_y_mark = batch
    return model(batch_x.float())[:, -PRED_LEN:], batch_y[:, -PRED_LEN:]


def optimizer(parameters, lr):
    return torch.optim.Adam(parameters, lr=lr)


def schedule(progress, epochs=10):  # was adjust_learning_rate, type1
    return 0.5 ** int(epochs * progress)


metrics = {'mse': Metric(MSE, higher=False, best=0.0), 'mae': Metric(MAE, higher=False, best=0.0)}
