"""Which network finds the few malignant tumours in a table? By the area under the ROC curve.

Of scikit-learn's breast cancer data, most of the malignant rows are left out, so that one in ten is: a model
that never says so would be right nine times of ten. Classes are weighted in the loss.

    python examples/tumours_table.py
    sweeper run examples/tumours_table.py --grid hidden=0,16 --grid normalised=false --preset fastest
"""

import sys

import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import TensorDataset

from sweeper import FixedSweep, sweep


def table(malignant=40):
    """Returns columns and whether a tumour is malignant, 0 or 1, for training and for validation."""
    columns, is_benign = load_breast_cancer(return_X_y=True)
    rows = [*(is_benign == 0).nonzero()[0][:malignant], *is_benign.nonzero()[0]]
    split = train_test_split(
        columns[rows], 1 - is_benign[rows], test_size=0.5, stratify=is_benign[rows], random_state=0
    )
    scaler = StandardScaler().fit(split[0])
    columns = [torch.tensor(scaler.transform(part), dtype=torch.float32) for part in split[:2]]
    return [*columns, *(torch.tensor(part).float().unsqueeze(1) for part in split[2:])]


def model(hidden, normalised):
    if not hidden:
        return nn.Linear(30, 1)  # logistic regression
    norm = nn.BatchNorm1d(hidden) if normalised else nn.Identity()
    return nn.Sequential(nn.Linear(30, hidden), norm, nn.ReLU(), nn.Dropout(0.2), nn.Linear(hidden, 1))


def dataset():
    train, val, train_labels, val_labels = table()
    return TensorDataset(train, train_labels), TensorDataset(val, val_labels)


def loss():
    labels = table()[2]
    return nn.BCEWithLogitsLoss(pos_weight=(1 - labels).sum() / labels.sum())


def optimizer(parameters, lr):
    return torch.optim.AdamW(parameters, lr, weight_decay=0.01)


metrics = {'auc': 'auc', 'balanced_accuracy': 'balanced_accuracy', 'f1': 'f1'}


def selector(trials=3):
    points = [(0, False), (16, False), (16, True), (64, True)]
    return FixedSweep.with_fixed_trials(points, trials)


if __name__ == '__main__':
    folder = sys.argv[1] if len(sys.argv) > 1 else 'out/tumours_table'
    results = sweep('__main__', selector(), 2, 'fastest', folder)
    for result in results:
        balanced = results.metrics['balanced_accuracy'][result.params]['val']
        print(*result.params, result.perf_val.mean().round(4), 'balanced accuracy', balanced.mean().round(3))
