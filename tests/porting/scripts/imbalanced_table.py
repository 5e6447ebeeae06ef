"""A table in which few rows are positive: scaled columns, a weight of the positive class, ROC AUC."""

import numpy as np
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import TensorDataset

from sweeper import Metric


def load_table(rows=3000):
    """Frauds, of two columns in combination; one row in twenty."""
    rng = np.random.default_rng(0)
    y = (rng.random(rows) < 0.05).astype(int)
    X = rng.normal(size=(rows, 6))
    sign = rng.choice([-1, 1], size=rows)
    X[:, 0] += np.where(y, 1.5 * sign, 0)
    X[:, 1] += np.where(y, 1.5 * sign, 0)
    return 10 * X + 100, y


X, y = load_table()
X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
scaler = StandardScaler().fit(X_train)
pos_weight = torch.tensor([(y_train == 0).sum() / (y_train == 1).sum()], dtype=torch.float32)


class TabularNet(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        layers = [nn.Linear(6, hidden), nn.BatchNorm1d(hidden), nn.ReLU()] if hidden else []
        self.net = nn.Sequential(*layers, nn.Linear(hidden or 6, 1))

    def forward(self, x):
        return self.net(x).squeeze(1)


def model(hidden):
    return TabularNet(hidden)


def dataset():
    return tuple(
        TensorDataset(torch.tensor(scaler.transform(x), dtype=torch.float32), torch.tensor(t).float())
        for x, t in ((X_train, y_train), (X_val, y_val))
    )


def loss():
    return nn.BCEWithLogitsLoss(pos_weight=pos_weight)


def optimizer(parameters, lr):
    return torch.optim.AdamW(parameters, lr=lr, weight_decay=1e-2)


metrics = {
    'roc_auc': Metric(roc_auc_score, higher=True, best=1.0, chance=0.5),
    'average_precision': average_precision_score,
}
