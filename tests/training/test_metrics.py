import math
import subprocess
import sys
from functools import partial

import pytest
import torch
from ignite.metrics import Accuracy
from sklearn.metrics import accuracy_score
from torch import nn

from sweeper.metric import metrics_from
from sweeper.training.data import InMemorySplit
from sweeper.training.objective import Objective
from sweeper.training.scoring.evaluation import evaluate
from sweeper.training.scoring.scorer import ignored_label, scorer

CPU = torch.device('cpu')


def ignite_accuracy(output, target, **options):
    metric = Accuracy(**options)
    metric.update((output, target))
    return metric.compute()


def performance(style, criterion, output, target):
    score = scorer(style, criterion)
    return score.performance(lambda: (output, target), torch.tensor(0.7)).item()


@pytest.mark.parametrize('seed', range(5))
def test_classification_is_accuracy_for_index_and_one_hot_targets(seed):
    torch.manual_seed(seed)
    output, target = torch.randn(57, 5), torch.randint(5, (57,))
    one_hot = nn.functional.one_hot(target, 5)
    perf = performance('classification', nn.CrossEntropyLoss(), output, target)
    assert 0 < perf < 1
    assert perf == pytest.approx(ignite_accuracy(output, target))
    assert perf == pytest.approx(accuracy_score(target, output.argmax(1)))
    for targets in (one_hot, one_hot.float()):
        assert performance('classification', nn.CrossEntropyLoss(), output, targets) == perf


def test_classification_of_every_pixel_is_the_share_of_right_pixels():
    torch.manual_seed(0)
    output, target = torch.randn(7, 3, 4, 5), torch.randint(3, (7, 4, 5))
    perf = performance('classification', nn.CrossEntropyLoss(), output, target)
    assert perf == pytest.approx(ignite_accuracy(output, target))
    assert perf == pytest.approx(accuracy_score(target.flatten(), output.argmax(1).flatten()))


@pytest.mark.parametrize('dtype', [torch.float32, torch.int64, torch.bool])
@pytest.mark.parametrize('labels', [1, 2, 3])
def test_multiclass_is_subset_accuracy_of_probabilities(labels, dtype):
    torch.manual_seed(0)
    output, target = torch.rand(201, labels), torch.randint(2, (201, labels))
    perf = performance('multiclass', nn.BCELoss(), output, target.to(dtype))
    predicted = (output > 0.5).long()
    assert 0 < perf < 1
    assert perf == pytest.approx(accuracy_score(target, predicted))
    if labels > 1:
        assert perf == pytest.approx(ignite_accuracy(predicted, target, is_multilabel=True))


@pytest.mark.parametrize('criterion', [nn.BCEWithLogitsLoss(), nn.MultiLabelSoftMarginLoss()])
def test_a_criterion_on_logits_shifts_the_threshold_to_zero(criterion):
    torch.manual_seed(0)
    logits, target = torch.randn(201, 3), torch.randint(2, (201, 3)).float()
    perf = performance('multiclass', criterion, logits, target)
    assert perf == performance('multiclass', nn.BCELoss(), torch.sigmoid(logits), target)
    assert perf == pytest.approx(accuracy_score(target, logits > 0))
    assert perf != performance('multiclass', nn.BCELoss(), logits, target)


def test_inv_loss_is_the_inverse_of_one_plus_the_loss():
    perf = performance('inv-loss', nn.MSELoss(), torch.zeros(3), torch.zeros(3))
    assert perf == pytest.approx(1 / 1.7)


def classification_split(samples):
    inputs = torch.randn(samples, 4, generator=torch.Generator().manual_seed(1))
    return InMemorySplit((inputs, (inputs[:, 0] > 0).long()), CPU)


@pytest.mark.parametrize('samples', [1, 1024, 1300, 2049])
def test_evaluate_weighs_the_last_smaller_batch_by_its_size(samples):
    split, criterion = classification_split(samples), nn.CrossEntropyLoss()
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    score = evaluate(model, split, Objective(criterion), scorer('classification', criterion))
    output = model(split.data[0])
    assert score.loss == pytest.approx(criterion(output, split.data[1]).item(), rel=1e-5)
    assert score.perf == pytest.approx(ignite_accuracy(output, split.data[1]))


@pytest.mark.parametrize(('samples', 'most'), [(2049, 1500), (2049, 1), (2049, 2048), (100, 7), (50, 8192)])
def test_evaluate_of_at_most_so_many_samples_takes_them_from_all_over_the_split(samples, most):
    split, criterion = classification_split(samples), nn.CrossEntropyLoss()
    torch.manual_seed(0)
    model, seen = nn.Linear(4, 2), []
    model.register_forward_hook(lambda _, inputs, output: seen.append(inputs[0]))
    score = evaluate(model, split, Objective(criterion), scorer('classification', criterion), most)
    scored = torch.cat(seen)
    places = [(split.data[0] == one).all(1).nonzero().item() for one in scored]
    assert len(places) == min(samples, most) and places == sorted(set(places))
    gaps = torch.tensor([*places, samples]).diff()
    assert places[0] == 0 and gaps.max() - gaps.min() <= 1
    output, targets = model(scored), split.data[1][places]
    assert score.loss == pytest.approx(criterion(output, targets).item(), rel=1e-5)
    assert score.perf == pytest.approx(ignite_accuracy(output, targets))


def test_evaluate_takes_inv_loss_of_the_mean_loss():
    inputs = torch.randn(1500, 1)
    split, criterion = InMemorySplit((inputs, inputs * 3), CPU), nn.MSELoss()
    score = evaluate(nn.Identity(), split, Objective(criterion), scorer('inv-loss', criterion))
    assert score.loss == pytest.approx((4 * inputs**2).mean().item(), rel=1e-5)
    assert score.perf == 1 / (1 + score.loss)


def test_a_loss_may_be_negative_where_the_performance_is_not_its_inverse():
    split, model = classification_split(50), nn.Linear(4, 2)
    losses = [
        evaluate(model, split, Objective(criterion), scorer('classification', criterion)).loss
        for criterion in (nn.CrossEntropyLoss(), shifted_entropy)
    ]
    assert losses[1] == pytest.approx(losses[0] - 5)
    by_others = metrics_from({'accuracy': 'classification', 'inverse': 'inv-loss'})
    for measure in (scorer('inv-loss', None), scorer(None, None, metrics=by_others)):
        with pytest.raises(ValueError, match=r"loss is negative \(-\d.*metrics = \{'loss': 'loss'\}"):
            evaluate(model, split, Objective(shifted_entropy), measure)


def shifted_entropy(output, target):
    return nn.functional.cross_entropy(output, target) - 5


def test_evaluate_uses_evaluation_mode_and_leaves_training_mode():
    split, criterion = classification_split(50), nn.CrossEntropyLoss()
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 2))
    model[1].running_mean += 1.0
    before = {name: value.clone() for name, value in model.state_dict().items()}
    score = evaluate(model, split, Objective(criterion), scorer('classification', criterion))
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    model.eval()
    assert score.loss == pytest.approx(criterion(model(split.data[0]), split.data[1]).item(), rel=1e-6)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize('value', [math.nan, math.inf])
@pytest.mark.parametrize('style', ['classification', 'inv-loss'])
def test_evaluate_of_a_diverged_model_is_infinite_loss_and_no_performance(style, value):
    split, criterion = classification_split(50), nn.CrossEntropyLoss()
    model = nn.Linear(4, 2)
    nn.init.constant_(model.weight, value)
    score = evaluate(model, split, Objective(criterion), scorer(style, criterion))
    assert (score.loss, score.perf) == (math.inf, 0.0)


@pytest.mark.parametrize('label', [-100, 255, 0])
def test_labels_that_the_criterion_ignores_do_not_count(label):
    torch.manual_seed(0)
    target = torch.randint(1, 3, (2500, 4))
    target[torch.rand(2500, 4) < 0.4] = label
    output, criterion = torch.randn(2500, 3, 4), nn.CrossEntropyLoss(ignore_index=label)
    counted = target != label
    expected = accuracy_score(target[counted], output.argmax(1)[counted])
    score = scorer('classification', criterion, ignored=ignored_label(criterion))
    assert score.performance(lambda: (output, target), torch.tensor(0.0)).item() == pytest.approx(expected)
    found = evaluate(nn.Identity(), InMemorySplit((output, target), CPU), Objective(criterion), score)
    assert found.perf == pytest.approx(expected)
    assert found.loss == pytest.approx(criterion(output, target).item(), rel=1e-5)


@pytest.mark.parametrize('style', ['multiclass', 'classification'])
def test_predictions_that_targets_do_not_fit_are_not_scored(style):
    output = torch.rand(5, 1) if style == 'multiclass' else torch.rand(5, 2, 3)
    target = torch.zeros(5) if style == 'multiclass' else torch.zeros(5, 1, 3)
    with pytest.raises(ValueError, match='one target per prediction'):
        performance(style, nn.MSELoss(), output, target)


@pytest.mark.parametrize(
    ('criterion', 'threshold'),
    [
        (nn.functional.binary_cross_entropy_with_logits, 0.0),
        (partial(nn.functional.binary_cross_entropy_with_logits, reduction='sum'), 0.0),
        (nn.MSELoss(), 0.5),
        (lambda output, target: output, 0.5),
    ],
)
def test_the_threshold_follows_from_the_criterion_if_that_is_known(criterion, threshold):
    assert scorer('multiclass', criterion).threshold == threshold
    assert scorer('multiclass', criterion, 0.3).threshold == 0.3


def test_the_first_metric_of_a_process_draws_no_random_numbers():
    """To import scikit-learn draws from `random`, and only one run of a process does."""
    code = """
import random, sys
import torch
from sweeper.training.scoring.predefined import _scikit_learn
random.seed(1)
before = random.getstate()
assert 'sklearn' not in sys.modules
_scikit_learn()
assert 'sklearn' in sys.modules and random.getstate() == before
"""
    subprocess.run([sys.executable, '-c', code], check=True)
