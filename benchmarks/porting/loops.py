"""What a script has beside its model and its data: a training loop, and how its model is scored.

`with_optuna.py` and `with_ray.py` tune and repeat it. The problems are those of `examples/`.
"""

import importlib
import sys
from pathlib import Path

import torch
from scipy import stats
from sklearn.metrics import roc_auc_score
from torch.utils.data import DataLoader, random_split

sys.path.insert(0, str(Path(__file__).parents[2] / 'examples'))

POINTS = {
    'digits_cnn': [(1, 4), (1, 8), (2, 4), (2, 8)],
    'tumours_table': [(0, False), (16, False), (16, True), (64, True)],
    'digits_vae': [(1,), (2,), (4,), (8,)],
}
BATCH_SIZES = (8, 16, 32, 64)
LRS = (1e-4, 1.0)


def train(name, point, seed, data, scored, samples, lr, batch_size):
    """Trains a model on so many samples, and returns its score on other data; higher is better."""
    problem = importlib.import_module(name)
    torch.manual_seed(seed)
    model = problem.model(*point)
    make_optimizer = getattr(problem, 'optimizer', torch.optim.SGD)
    optimizer = make_optimizer(model.parameters(), lr=lr)
    steps = max(1, samples // batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    loader = DataLoader(data, batch_size, shuffle=True, drop_last=len(data) > batch_size)
    done = 0
    model.train()
    while done < steps:
        for batch in loader:
            optimizer.zero_grad()
            loss = loss_of(problem, model, batch)
            if not torch.isfinite(loss):
                return -1e9
            loss.backward()
            optimizer.step()
            schedule.step()
            done += 1
            if done == steps:
                break
    model.eval()
    with torch.no_grad():
        score = float(globals()[name](problem, model, scored))
    return score if score == score else -1e9  # NaN


def loss_of(problem, model, batch):
    if hasattr(problem, 'step'):
        return problem.step(model, batch)
    inputs, targets = batch
    return problem.loss()(model(inputs), targets)


def digits_cnn(_, model, data):
    inputs, targets = next(iter(DataLoader(data, len(data))))
    return (model(inputs).argmax(1) == targets).float().mean()


def tumours_table(_, model, data):
    inputs, targets = next(iter(DataLoader(data, len(data))))
    return roc_auc_score(targets.numpy(), model(inputs).numpy())


def digits_vae(problem, model, data):
    return -problem.step(model, next(iter(DataLoader(data, len(data)))))


def held_out(data):
    """Splits a fifth off the training data, for tuning to compare by; validation data is not for that."""
    return random_split(data, [0.8, 0.2], torch.Generator().manual_seed(0))


def interval(scores):
    """Returns the mean, and half the 95 percent confidence interval (Student t)."""
    scores = torch.tensor(scores)
    half = stats.t.ppf(0.975, len(scores) - 1) * float(scores.std()) / len(scores) ** 0.5
    return f'{float(scores.mean()):.4f} ± {half:.4f}'
