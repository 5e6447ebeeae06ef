"""How well architectures are ranked, against how each does at the best of a table's settings.

The best of many noisy means looks better than it is. So an architecture's setting is chosen with all seeds
but one, and the architecture is scored at it with that one, once for each seed (*rotations*): nothing that is
compared with these scores has seen that seed.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.stats import kendalltau, rankdata


def tau(losses, other):
    """Kendall's τ of two rankings; 0 if one of them does not tell architectures apart."""
    return float(np.nan_to_num(kendalltau(losses, other).statistic))


@dataclass(frozen=True)
class Rotation:
    """What all seeds but one choose, and what that one says of it.

    Attributes:
        known: Losses with the other seeds; shape (architectures, settings, seeds - 1).
        held_out: Losses with the one; shape (architectures, settings).
    """

    known: np.ndarray
    held_out: np.ndarray

    @cached_property
    def means(self):
        return self.known.mean(-1)

    @cached_property
    def reference(self):
        """Of each architecture, the loss at its own best setting, shape (architectures,)."""
        return self.held_out[np.arange(len(self.means)), self.means.argmin(1)]

    def tau(self, losses):
        """How well a ranking by the other seeds agrees with the reference."""
        return tau(losses, self.reference)

    def rank(self, losses):
        """The rank, in the reference, of the architecture that other losses put first."""
        return int(rankdata(self.reference, method='min')[np.argmin(losses)])

    def excess(self, losses, is_log):
        """How much higher its loss in the reference is than that of the best by each one's best setting.

        The logarithm of the ratio, or the difference.
        """
        pair = self.reference[[np.argmin(losses), self.means.min(1).argmin()]]
        picked, best = np.log(pair) if is_log else pair
        return float(picked - best)


def rotations(losses):
    """Returns a `Rotation` for each seed of losses of shape (architectures, settings, seeds)."""
    return [Rotation(np.delete(losses, seed, -1), losses[..., seed]) for seed in range(losses.shape[-1])]


@dataclass(frozen=True)
class Agreement:
    """How well fixed settings rank architectures, and how well each one's own best setting does.

    Attributes:
        taus: Of every fixed setting, with the reference; shape (settings,), the mean over rotations.
        own_tau: The same of each architecture at the setting that is best by the other seeds: less than 1
            because of noise alone.
        ranks: Of the architecture that a fixed setting picks, shape (settings,).
        own_rank: The same.
        excesses: Of its loss at its own best setting, shape (settings,); see `Rotation.excess`.
        naive_taus: As `taus`, without correction: with the best of the means over all seeds.
        naive_ranks: The same.
    """

    taus: np.ndarray
    own_tau: float
    ranks: np.ndarray
    own_rank: float
    excesses: np.ndarray
    naive_taus: np.ndarray
    naive_ranks: np.ndarray


def agreement(losses, is_log):
    """Returns the `Agreement` of losses of shape (architectures, settings, seeds)."""
    parts = rotations(losses)
    own = [part.means.min(1) for part in parts]
    means = losses.mean(-1)
    best = means.min(1)
    return Agreement(
        np.mean([[part.tau(column) for column in part.means.T] for part in parts], axis=0),
        float(np.mean([part.tau(score) for part, score in zip(parts, own, strict=True)])),
        np.mean([[part.rank(column) for column in part.means.T] for part in parts], axis=0),
        float(np.mean([part.rank(score) for part, score in zip(parts, own, strict=True)])),
        np.mean([[part.excess(column, is_log) for column in part.means.T] for part in parts], axis=0),
        np.array([tau(column, best) for column in means.T]),
        rankdata(best, method='min')[means.argmin(0)],
    )
