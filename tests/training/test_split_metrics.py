"""Metrics of a whole split are what scikit-learn and ignite say, of whatever outputs fit them."""

import math
from collections import namedtuple

import ignite.metrics
import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from torch import nn

from sweeper import Metric, ProblemError
from sweeper.metric import PREDEFINED, metrics_from
from sweeper.training.data import InMemorySplit
from sweeper.training.objective import Objective
from sweeper.training.scoring.evaluation import evaluate
from sweeper.training.scoring.scorer import scorer
from sweeper.training.scoring.split_metrics import Undefined

CPU = torch.device('cpu')
GENERATOR = torch.Generator().manual_seed(0)
MANY = 2500  # samples: evaluated in several batches, the last of which is smaller


def randn(*shape):
    return torch.randn(shape, generator=GENERATOR)


def labels(classes, *shape):
    return torch.randint(classes, shape, generator=GENERATOR)


def measured(metric, output, target, criterion=None):
    """A metric of given outputs, as evaluation measures it: batch by batch."""
    split = InMemorySplit((torch.arange(len(target)), target), CPU)
    objective = Objective(
        criterion or nn.CrossEntropyLoss(),
        step=lambda model, batch: torch.tensor(0.7),
        predict=lambda model, batch: (output[batch[0]], batch[1]),
    )
    score = scorer(None, criterion, metrics=metrics_from({'measured': metric}))
    return evaluate(nn.Linear(1, 1), split, objective, score).perf


CLASSES = randn(MANY, 4), labels(4, MANY)
ONE_HOT = CLASSES[0], nn.functional.one_hot(CLASSES[1], 4).float()
SINGLE = randn(MANY, 1), labels(2, MANY).float()
PAIRS = randn(MANY, 2), labels(2, MANY)
SETS = randn(MANY, 3), labels(2, MANY, 3).float()
MASKS = randn(40, 1, 6, 5), labels(2, 40, 1, 6, 5).float()
PIXELS = randn(40, 3, 6, 5), labels(3, 40, 6, 5)
VALUES = randn(MANY, 2), randn(MANY, 2)
LOGITS, SOFTMAX = nn.BCEWithLogitsLoss(), nn.CrossEntropyLoss()
_best = CLASSES[0].argmax(1)
_probabilities = CLASSES[0].double().softmax(1)
_above = (SINGLE[0] > 0).flatten()

CASES = {
    'balanced accuracy': (
        'balanced_accuracy', CLASSES, SOFTMAX, lambda: sk.balanced_accuracy_score(CLASSES[1], _best),
    ),
    'f1 of classes': ('f1', CLASSES, SOFTMAX, lambda: sk.f1_score(CLASSES[1], _best, average='macro')),
    'f1 of one-hot rows': ('f1', ONE_HOT, SOFTMAX, lambda: sk.f1_score(CLASSES[1], _best, average='macro')),
    'weighted f1': (
        Metric('f1', average='weighted'), CLASSES, SOFTMAX,
        lambda: sk.f1_score(CLASSES[1], _best, average='weighted'),
    ),
    'f1 of a logit': ('f1', SINGLE, LOGITS, lambda: sk.f1_score(SINGLE[1], _above)),
    'f1 of two classes': ('f1', PAIRS, SOFTMAX, lambda: sk.f1_score(PAIRS[1], PAIRS[0].argmax(1))),
    'f1 of sets': ('f1', SETS, LOGITS, lambda: sk.f1_score(SETS[1], SETS[0] > 0, average='macro')),
    'f1 with a threshold': (
        Metric('f1', threshold=0.3), SETS, None, lambda: sk.f1_score(SETS[1], SETS[0] > 0.3, average='macro'),
    ),
    'auc of a logit': ('auc', SINGLE, LOGITS, lambda: sk.roc_auc_score(SINGLE[1], SINGLE[0])),
    'auc of two classes': (
        'auc', PAIRS, SOFTMAX, lambda: sk.roc_auc_score(PAIRS[1], PAIRS[0].softmax(1)[:, 1]),
    ),
    'auc of classes': (
        'auc', CLASSES, SOFTMAX, lambda: sk.roc_auc_score(CLASSES[1], _probabilities, multi_class='ovr'),
    ),
    'auc of probabilities': (
        'auc', (CLASSES[0].softmax(1), CLASSES[1]), None,
        lambda: sk.roc_auc_score(CLASSES[1], _probabilities, multi_class='ovr'),
    ),
    'auc of sets': ('auc', SETS, LOGITS, lambda: sk.roc_auc_score(SETS[1], SETS[0])),
    'iou of masks': (
        'iou', MASKS, LOGITS, lambda: sk.jaccard_score(MASKS[1].flatten(), MASKS[0].flatten() > 0),
    ),
    'dice of masks': ('dice', MASKS, LOGITS, lambda: sk.f1_score(MASKS[1].flatten(), MASKS[0].flatten() > 0)),
    'iou of classes': (
        'iou', PIXELS, SOFTMAX,
        lambda: sk.jaccard_score(PIXELS[1].flatten(), PIXELS[0].argmax(1).flatten(), average='macro'),
    ),
    'dice of classes': (
        'dice', PIXELS, SOFTMAX,
        lambda: sk.f1_score(PIXELS[1].flatten(), PIXELS[0].argmax(1).flatten(), average='macro'),
    ),
    'r2': ('r2', VALUES, nn.MSELoss(), lambda: sk.r2_score(VALUES[1], VALUES[0])),
    'mae': ('mae', VALUES, nn.MSELoss(), lambda: sk.mean_absolute_error(VALUES[1], VALUES[0])),
    'mse': ('mse', VALUES, nn.L1Loss(), lambda: sk.mean_squared_error(VALUES[1], VALUES[0])),
    'loss': ('loss', VALUES, nn.MSELoss(), lambda: 0.7),
    'perplexity': ('perplexity', VALUES, None, lambda: math.exp(0.7)),
    'bits per character': ('bits_per_character', VALUES, None, lambda: 0.7 / math.log(2)),
    'top 2': (
        Metric('accuracy', top_k=2), CLASSES, SOFTMAX,
        lambda: sk.top_k_accuracy_score(CLASSES[1], CLASSES[0], k=2),
    ),
    'accuracy': ('accuracy', CLASSES, SOFTMAX, lambda: sk.accuracy_score(CLASSES[1], _best)),
    'multiclass': ('multiclass', SETS, LOGITS, lambda: sk.accuracy_score(SETS[1], SETS[0] > 0)),
    'of scikit-learn': (
        Metric(sk.matthews_corrcoef, higher=True), (_best, CLASSES[1]), None,
        lambda: sk.matthews_corrcoef(CLASSES[1], _best),
    ),
    'of tensors': (
        Metric(lambda outputs, targets: (outputs - targets).abs().max().item(), higher=False), VALUES, None,
        lambda: float(np.abs(VALUES[0].numpy() - VALUES[1].numpy()).max()),
    ),
    'of arrays': (
        Metric(lambda outputs, targets: np.ptp(outputs.astype(float) - targets), higher=False), VALUES, None,
        lambda: float(np.ptp(VALUES[0].double().numpy() - VALUES[1].double().numpy())),
    ),
    'of ignite': (
        Metric(ignite.metrics.MeanAbsoluteError(), higher=False), VALUES, None,
        lambda: sk.mean_absolute_error(VALUES[1], VALUES[0]) * 2,
    ),
}  # fmt: skip


@pytest.mark.parametrize('case', CASES)
def test_a_metric_is_what_the_libraries_say(case):
    metric, (output, target), criterion, expected = CASES[case]
    assert measured(metric, output, target, criterion) == pytest.approx(expected(), rel=1e-5)


def test_every_predefined_metric_is_among_the_cases():
    tried = {getattr(metric, 'function', metric) for metric, *_ in CASES.values()}
    assert {name for name in PREDEFINED if name not in ('classification', 'inv-loss')} <= tried


@pytest.mark.parametrize('metric', ['balanced_accuracy', 'f1', Metric('accuracy', top_k=2), 'iou'])
def test_labels_that_the_criterion_ignores_do_not_count(metric):
    output, target = PIXELS[0], PIXELS[1].clone()
    target[:, 0] = -100
    split = InMemorySplit((torch.arange(len(target)), target), CPU)
    objective = Objective(SOFTMAX, lambda m, b: torch.tensor(0.7), lambda m, b: (output[b[0]], b[1]))
    score = scorer(None, SOFTMAX, ignored=-100, metrics=metrics_from({'measured': metric}))
    found = evaluate(nn.Linear(1, 1), split, objective, score).perf
    rest = output[:, :, 1:].movedim(1, -1).reshape(-1, 3), target[:, 1:].flatten()
    assert found == pytest.approx(measured(metric, *rest, SOFTMAX))


Pair = namedtuple('Pair', 'first second')


def test_a_function_gets_outputs_of_any_structure_joined():
    seen = {}

    def look(outputs, targets):
        seen.update(outputs=outputs, targets=targets)
        return 1.0

    values = torch.arange(float(MANY))
    split = InMemorySplit({'x': values}, CPU)
    objective = Objective(
        None,
        lambda model, batch: torch.tensor(0.0),
        lambda model, batch: ({'a': batch['x'], 'b': [Pair(batch['x'], -batch['x'])]}, (batch['x'],)),
    )
    score = scorer(None, None, metrics=metrics_from({'own': Metric(look, higher=True)}))
    evaluate(nn.Linear(1, 1), split, objective, score)
    assert torch.equal(seen['outputs']['a'], values) and torch.equal(seen['targets'][0], values)
    assert type(seen['outputs']['b'][0]) is Pair and torch.equal(seen['outputs']['b'][0].second, -values)


def test_outputs_that_are_not_finite_have_diverged_though_the_loss_has_not():
    output = VALUES[0].clone()
    output[7] = torch.nan
    assert measured('mae', output, VALUES[1]) == math.inf
    assert measured(Metric('mae', worst=9.0), output, VALUES[1]) == 9.0
    assert measured('auc', torch.full((MANY,), torch.inf), SINGLE[1]) == 0


def test_a_metric_that_is_not_defined_is_an_error():
    with pytest.raises(Undefined, match=f"'measured' is NaN of {MANY} samples"):
        measured('auc', SINGLE[0], torch.zeros(MANY))


BAD = {
    'shapes': (
        'mae', (VALUES[0], VALUES[1][:, 0]), r'outputs of shape \(\d+, 2\) by targets of shape \(\d+,\)',
    ),
    'no class index': ('f1', (CLASSES[0], VALUES[1]), 'one class index per prediction'),
    'what it raises': (
        Metric(lambda outputs, targets: outputs['a'], higher=True), VALUES,
        r"'measured' raised \w+: .*outputs torch.float32 of shape \(n, 2\) and targets",
    ),
    'no number': (Metric(lambda outputs, targets: outputs, higher=True), VALUES, 'must return a number'),
    'no share': (
        Metric(lambda outputs, targets: 3.0, higher=True, best=1, worst=0), VALUES,
        r'returned 3; it must be in \[0, 1\]',
    ),
}  # fmt: skip


@pytest.mark.parametrize('case', BAD)
def test_what_a_metric_cannot_score_is_an_error_that_says_what_it_got(case):
    metric, pair, message = BAD[case]
    with pytest.raises(ProblemError, match=message):
        measured(metric, *pair)
