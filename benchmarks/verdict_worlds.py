"""Simulated sweeps whose truth is known: how scores are distributed, and which architectures are better.

Scores spread by about `SPREAD` around `BASE`. An architecture's *lead* counts such standard deviations; what
is true of its scores (`Sweep.truth`) is the mean of the distribution that they are drawn from.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

BASE, SPREAD = 0.8, 0.01
CEILING = 0.985
DIVERGING = 0.1


@dataclass(frozen=True)
class Sweep:
    """Scores of one sweep, and the truth.

    Attributes:
        scores: Shape (architectures, trials); NaN for a trial that is missing or diverged.
        truth: The means that they were drawn around, shape (architectures,).
        world: Where it is from.
        diverged: How many trials of each architecture diverged, shape (architectures,).
    """

    scores: np.ndarray
    truth: np.ndarray
    world: 'World'
    diverged: np.ndarray

    @property
    def better(self):
        """Which row is truly better than which column, shape (architectures, architectures)."""
        value = self.world.sign * self.truth
        return value[:, None] > value[None, :] + 1e-12


@dataclass(frozen=True)
class World:
    """A distribution of scores.

    Attributes:
        name: For a person.
        noise: Draws deviations of shape (architectures, trials), of which the mean is 0 and the standard
            deviation about 1.
        sign: -1 where lower scores are better.
        is_paired: Whether trials of the same index are compared.
        limits: The lowest and the highest score that there can be.
        resolution: The steps that scores go in; 0 without steps.
        cut: Makes scores, and their true means, of locations and deviations; adds them by default.
        omits: Says which trials there are not, and which of these diverged; shape of the scores each.
    """

    name: str
    noise: Callable
    sign: int = 1
    is_paired: bool = False
    limits: tuple[float, float] = (-np.inf, np.inf)
    resolution: float = 0.0
    cut: Callable | None = None
    omits: Callable | None = None

    def draw(self, rng, leads, trials):
        """Returns a `Sweep` of architectures of these leads."""
        leads = np.asarray(leads, dtype=float)
        noise = self.noise(rng, (len(leads), trials))
        if self.cut is None:
            truth = BASE + self.sign * SPREAD * leads
            scores = truth[:, None] + SPREAD * noise
        else:
            scores, truth = self.cut(rng, leads, noise)
        diverged = np.zeros(len(leads), dtype=int)
        if self.omits is not None:
            is_missing, is_diverged = self.omits(rng, scores.shape)
            scores = np.where(is_missing, np.nan, scores)
            diverged = is_diverged.sum(1)
        return Sweep(scores, truth, self, diverged)


def _normal(rng, shape):
    return rng.standard_normal(shape)


def _skewed(rng, shape):
    return -(rng.standard_gamma(2.0, shape) - 2) / np.sqrt(2)


def _heavy_tailed(rng, shape):
    return rng.standard_t(3, shape) / np.sqrt(3)


def _uneven(rng, shape):
    """Spreads of architectures differ by up to ten times."""
    return rng.standard_normal(shape) * 10 ** rng.uniform(-0.5, 0.5, (shape[0], 1))


def _bad_runs(rng, shape):
    """One run in twenty falls far below the others."""
    return rng.standard_normal(shape) - 10 * ((rng.random(shape) < 0.05) - 0.05)


def _correlated(correlation):
    """What trials of the same index share is this part of the variance."""

    def noise(rng, shape):
        shared = rng.standard_normal((1, shape[1]))
        return np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * rng.standard_normal(shape)

    return noise


def _lognormal(rng, shape, sigma=0.75):
    raw = rng.lognormal(0, sigma, shape)
    return (raw - np.exp(sigma**2 / 2)) / np.sqrt((np.exp(sigma**2) - 1) * np.exp(sigma**2))


def _mixture(rng, shape):
    """Three runs in ten find a worse solution than the others."""
    is_worse = rng.random(shape) < 0.3
    return (np.where(is_worse, -2.1, 0.9) + 0.5 * rng.standard_normal(shape)) / np.sqrt(0.25 + 1.89)


def _bounded(rng, leads, noise):
    """Beta distributions, the best of them at `CEILING`."""
    truth = CEILING + SPREAD * (leads - leads.max())
    total = CEILING * (1 - CEILING) / SPREAD**2 - 1
    return rng.beta((total * truth)[:, None], (total * (1 - truth))[:, None], noise.shape), truth


def _counts(samples):
    """Shares of so many validation samples."""

    def cut(rng, leads, noise):
        middle = BASE + rng.random() / samples + SPREAD * leads
        edges = (np.arange(samples) + 0.5) / samples
        truth = 1 - ndtr((edges - middle[:, None]) / SPREAD).mean(1)  # E[count] = sum of P(count > j)
        return np.clip(np.round(samples * (middle[:, None] + SPREAD * noise)) / samples, 0, 1), truth

    return cut


def _some_diverge(rng, shape):
    """Fewer than half of the trials of an architecture, so that it is still compared."""
    most = min((shape[1] - 1) // 2, shape[1] - 2)
    is_diverged = rng.random(shape) < DIVERGING
    is_diverged &= np.cumsum(is_diverged, axis=1) <= most
    return is_diverged, is_diverged


def _uneven_numbers(rng, shape):
    """Some architectures have a quarter of the trials of others, but two at least."""
    numbers = np.maximum(rng.choice([shape[1] // 4, shape[1] // 2, shape[1]], shape[0]), 2)
    is_missing = np.arange(shape[1]) >= numbers[:, None]
    return is_missing, np.zeros(shape, dtype=bool)


SHARE = (0.0, 1.0)
WORLDS = (
    World('normal', _normal),
    World('skewed towards the ceiling', _skewed),
    World('bounded (beta)', _normal, limits=SHARE, cut=_bounded),
    World('counts of 36', _normal, limits=SHARE, resolution=1 / 36, cut=_counts(36)),
    World('counts of 360', _normal, limits=SHARE, resolution=1 / 360, cut=_counts(360)),
    World('heavy-tailed (t, 3 df)', _heavy_tailed),
    World('spreads differ 10 times', _uneven),
    World('5% bad runs', _bad_runs),
    World('correlated .3', _correlated(0.3)),
    World('correlated .9, paired', _correlated(0.9), is_paired=True),
    World('lognormal losses', _lognormal, sign=-1),
    World('two modes', _mixture),
    World('10% diverge', _normal, omits=_some_diverge),
    World('unequal numbers of trials', _normal, omits=_uneven_numbers),
)
NORMAL = WORLDS[0]


def equals(count):
    """All are the same."""
    return np.zeros(count)


def half_equal(count):
    """The better half are the same; the others are far behind."""
    return np.where(np.arange(count) < (count + 1) // 2, 0.0, -6.0)


def staircase(count):
    """Each is half a standard deviation behind the one before."""
    return -0.5 * np.arange(count)


def ahead(count, lead):
    """The first is better, the others are the same."""
    return np.where(np.arange(count) == 0, float(lead), 0.0)
