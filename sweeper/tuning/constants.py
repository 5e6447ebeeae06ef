"""The constants of the tuning method, each with what it does and the benchmark that set it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Constants:
    """Numbers that no setting changes; results depend on every one of them.

    They were set while looking at the problems of the benchmark that is named above them.
    """

    # benchmarks/tuner_regret.py

    warmup_steps: int = 10
    """Steps of the range test at a tiny learning rate: what an untrained model measures."""

    warmup_below: float = 10.0
    """How many times lower than the lowest learning rate that one is."""

    range_test_share: float = 0.1
    """The range test's share of the budget."""

    sure: float = 3.0
    """Standard errors above untrained models from which something is learned."""

    likely: float = 2.0
    """Standard errors above the usual untrained model (or one above the best) from which the objective is
    better than that."""

    rounding: float = 1e-6
    """What a difference must be, as a share of the values, to be more than rounding."""

    above_lowest_loss: float = 3.0
    """How far above the rate of the lowest loss candidates go, and below the end of the rise."""

    span: float = 100.0
    """Highest to lowest learning rate of the first round, at most, if the test saw a rise."""

    blind_span: float = 1e3
    """The same if it saw none."""

    least_span: float = 3.0
    """The same, at least."""

    fewest_range_steps: int = 60
    """Steps of the range test, at least."""

    most_range_steps: int = 500
    """Steps of the range test, at most."""

    significant_rise: float = 6.0
    """How many standard deviations of noise are an improvement."""

    spread: float = 12.0
    """A run has diverged where the loss is above that of untrained models by as much as it ever falls below,
    or by so many standard deviations of theirs between batches;"""

    back_at: float = 0.75
    """or where, having fallen by more than the latter, it has regained so much of its fall."""

    rise_start: float = 0.1
    """Share of the improvement at which a rise begins."""

    rise_end: float = 0.8
    """Share of the improvement at which it ends."""

    kept: int = 3
    """One of so many candidates stays in from one round to the next,"""

    fewest_kept: int = 2
    """but at least so many."""

    same: float = 1.2
    """Learning rates closer than this factor count as the same."""

    rung: float = 1.6
    """The factor between the learning rates of a ladder."""

    risen: float = 3.0
    """A loss that is above that of untrained models by fewer of their standard deviations is not harmed."""

    patient: int = 4
    """Candidates of the last round where none has learned anything,"""

    patient_apart: float = 3.0
    """and the factor between their learning rates."""

    alike: float = 0.5
    """A round has collapsed if its losses differ by fewer standard deviations between batches, and are not
    further below the lowest of the range test;"""

    least: float = 0.1
    """which are those of the quietest part of the range test: the share of it that is quieter."""

    usual_fall: float = 0.3
    """Power of the length of training with which the best learning rate usually falls."""

    trust: float = 0.7
    """How much of the difference between an observed power and the usual one counts."""

    little: float = 0.01
    """A difference that is small, of the way from untrained models to the best that was seen."""

    cliff: float = 0.05
    """A drop, one rung up, that is a cliff, of the same way."""

    some: float = 3.0
    """How many times as far from untrained models as noise is some learning: below, the sure rung is taken.
    """

    most: float = 0.6
    """A tuning has barely learned if shorter trainings came less far than this share of the last round's,"""

    half: float = 0.5
    """or these less far than this share of what a trial may be expected to come."""

    edge: float = 2.0
    """A rate within this factor of a limit of the search is flagged."""

    lowerings: int = 3
    """How often a round that says nothing is repeated,"""

    diverged_by: float = 10.0
    """at learning rates so many times lower if all of it diverged,"""

    collapsed_by: float = 100.0
    """or so many if all of it gave the same constant answer."""

    fewest_steps: int = 10
    """Steps of a brief training, at least."""

    last_share: float = 0.55
    """The last round's share of the budget;"""

    least_share: float = 0.1
    """of what is left, the rounds before get this at least."""

    about: tuple[int, ...] = (-2, -1, 0, 1)
    """Rungs of the last ladder but one, about the best candidate."""

    below: tuple[int, ...] = (-1, 0)
    """Rungs of the ladders of a tuning with two rounds."""

    falls: tuple[float, ...] = (0.7, 0.4, 0.1)
    """Rungs of the last ladder: powers with which the best rate may fall."""

    least_longer: float = 2.0
    """How many times longer trainings of the last round are taken to be, at least."""

    held_out: int = 5
    """One of so many training samples is held out,"""

    most_held_out: int = 2000
    """but no more than these;"""

    told_apart: int = 250
    """and trainings of the last round are repeated with others held out until these are so many,"""

    folds: int = 5
    """or all samples have been;"""

    long_enough: float = 0.45
    """and more often if each may still last for this share of a trial."""

    kept_share: float = 0.5
    """With two rounds, the share of the budget of longer trainings, which tell how long trials are;"""

    falls_of_few: tuple[float, ...] = (0.6, 0.1)
    """and the rungs of their ladder, as `falls`."""

    shortest: float = 0.4
    """Trainings of at least this share of a cycle say what a trial of one cycle does."""

    unseen: float = 4.0
    """Trials that are more than so many times as long as the longest trainings may overfit unseen,"""

    gap: float = 0.15
    """if these did better on the data they were trained on by this share of the way of their loss."""

    certain: float = 0.5
    """A choice that is the best with a lower probability is a toss-up, if it may be worse by `WORSE`."""

    draws: int = 4096
    """Of what candidates may really be, for that."""

    # benchmarks/nuisance.py

    varied_by: float = 0.12
    """How far the best values are varied, as a share of all."""

    finalists: int = 4
    """Candidates far apart that stay in until the last round;"""

    few_finalists: int = 2
    """the same of a tuning with two rounds."""

    beside: tuple[int, ...] = (-1, 0, 1)
    """Rungs of the last ladder but one of finalists other than the best."""

    falls_of_best: tuple[float, ...] = (0.55, 0.2)
    """As `falls`, of the best of several finalists,"""

    falls_of_others: tuple[float, ...] = (0.4,)
    """and of the others."""

    most_scattered: int = 3
    """Nuisance parameters for which more candidates are scattered in the first round, at most."""

    far: float = 0.25
    """Finalists are at least so far from each other, as a share of all values."""


CONSTANTS = Constants()
