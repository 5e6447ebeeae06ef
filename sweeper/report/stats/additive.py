"""An additive model of the performance: a smooth function of each parameter, each as rough as the data show.

It is a ridge regression whose penalties, one per parameter, are found from the data (automatic relevance
determination: MacKay 1992, Bayesian interpolation), so that it copes with as many terms as there are points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PERMUTATIONS, MOST_PERMUTATIONS = 1999, 50_000
_DEGREE = 5
_ITERATIONS, _SETTLED = 100, 1e-3
_LEAST = 1e-9
"""Of the variance: what a term or the noise has at least, so that all can be divided by."""


def smooth_terms(values: np.ndarray) -> np.ndarray:
    """Returns terms of which smooth functions of a number are made: polynomials of its rank.

    The higher the degree, the smaller: rough functions are less likely.

    Args:
        values: Shape `(points,)`; NaN where a point lacks the parameter, where all terms are 0.

    Returns:
        Shape `(points, terms)`; of length 0 along the second if all values are the same.
    """
    present = ~np.isnan(values)
    distinct, ranks = np.unique(values[present], return_inverse=True)
    degree = min(len(distinct) - 1, _DEGREE)
    terms = np.zeros((len(values), max(degree, 0)))
    if degree > 0:
        places = 2 * ranks / (len(distinct) - 1) - 1
        powers = np.polynomial.legendre.legvander(places, degree)[:, 1:]
        orthogonal, _ = np.linalg.qr(powers - powers.mean(axis=0))
        terms[present] = orthogonal * np.sqrt(len(ranks) / np.arange(1, degree + 1))
    return terms


def category_terms(values: Sequence[str]) -> np.ndarray:
    """Returns one term per value that at least two points have, shape `(points, terms)`."""
    distinct, ranks, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    terms = np.eye(len(distinct))[ranks][:, counts > 1]
    centred: np.ndarray = terms - terms.mean(axis=0)
    return centred


@dataclass(frozen=True)
class Fit:
    """The additive model of some values.

    Attributes:
        variances: Of each parameter's function, over the points; shape `(parameters,)`.
        residuals: What is left, shape `(points,)`.
    """

    variances: np.ndarray
    residuals: np.ndarray


def additive_fit(parameters: Sequence[np.ndarray], values: np.ndarray) -> Fit:
    """Fits values by a sum of a function of each parameter.

    Args:
        parameters: Terms of each, shape `(points, terms)`.
        values: Shape `(points,)`.
    """
    centred = values - values.mean()
    count, whole = len(values), float((centred**2).mean())
    group = np.repeat(np.arange(len(parameters)), [terms.shape[1] for terms in parameters])
    if not len(group) or not whole:
        return Fit(np.zeros(len(parameters)), centred)
    terms = np.hstack(parameters)
    products, targets = terms.T @ terms, terms.T @ centred
    prior = np.full(len(parameters), whole / len(parameters))
    noise = whole / 2
    for _ in range(_ITERATIONS):
        covariance = np.linalg.inv(products / noise + np.diag(1 / prior[group]))
        weights = covariance @ targets / noise
        determined = 1 - np.diag(covariance) / prior[group]
        before, residuals = prior, centred - terms @ weights
        squares = np.bincount(group, weights**2, len(parameters))
        prior = squares / np.maximum(np.bincount(group, determined, len(parameters)), _LEAST)
        prior = np.maximum(prior, _LEAST * whole)
        noise = float(residuals @ residuals) / max(count - 1 - determined.sum(), 1)
        noise = max(noise, _LEAST * whole)
        if np.abs(prior - before).max() < _SETTLED * whole:
            break
    of_terms = products * (np.outer(weights, weights) + covariance) / count
    variances = [of_terms[np.ix_(group == index, group == index)].sum() for index in range(len(parameters))]
    return Fit(np.array(variances), residuals)


def permutation_test(
    parameters: Sequence[np.ndarray], values: np.ndarray, level: float = 0.05
) -> list[float]:
    """Returns for each parameter how probably it would fit as well if it had no effect.

    What the other parameters explain is taken out first; then the rest is permuted. Where parameters were
    drawn independently of each other, this is exact for any noise: it is the conditional randomisation test
    of Candès et al. (2018, Panning for gold). It is the same every time.

    Args:
        parameters: As for `additive_fit`.
        values: As for `additive_fit`.
        level: What p-values are to fall below after correction for all parameters, at most by half.
    """
    rng = np.random.default_rng(0)
    least = level / (2 * max(len(parameters), 1))
    count = int(np.clip(1 / least if least else 0, PERMUTATIONS, MOST_PERMUTATIONS))
    orders = np.argsort(rng.random((count, len(values))), axis=1)
    return [
        _p_value(terms, additive_fit([*parameters[:index], *parameters[index + 1 :]], values), orders)
        for index, terms in enumerate(parameters)
    ]


def _p_value(terms: np.ndarray, others: Fit, orders: np.ndarray) -> float:
    rest = others.residuals - others.residuals.mean()
    fit = ((rest @ terms) ** 2).sum()
    permuted = ((rest[orders] @ terms) ** 2).sum(axis=1)
    return float(1 + (permuted >= fit * (1 - 1e-9)).sum()) / (1 + len(orders))
