"""What the flags mean, and what to do about them; docs/tuning.md says more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

FLAG_MEANINGS = {
    'lr_at_low_edge': 'the learning rate is the lowest that may be tried: lower lr_start',
    'lr_at_high_edge': 'the learning rate is close to the highest that may be tried: raise lr_end',
    'nan_seen': 'the loss was NaN or infinite in a fresh model, or for all candidates of a round',
    'nothing_learned': 'no candidate learned more than noise, so the choice is a guess: use a higher preset',
    'barely_learned': 'candidates were compared before they had learned much of what trials will: '
    'use a higher preset',
    'sensitive': 'a slightly different learning rate does much worse: use a higher preset',
    'toss_up': 'other candidates may well be better than the chosen one, by enough to matter: '
    'use a higher preset',
    'longest': 'trials are as long as the settings allow, and training still paid off at the end of tuning: '
    'raise trial_samples (or max_cycles)',
    'may_overfit': 'tuning already fitted training data far better than held-out data, and trials are much '
    'longer, perhaps too long: use a higher preset, or `--stop held-out`',
    'stopped_early': 'trials are shorter than the settings allow, because longer training did no better on '
    'held-out data: the architecture is compared at its best length',
    'trial_diverged': 'the loss of a trial became NaN or infinite, so that it is in no mean',
    'too_few_converged': 'fewer than two trials converged, or fewer than half: '
    'use a higher preset or a lower lr_end',
    'evaluation_diverged': 'the loss of a trial became NaN or infinite in evaluation mode only: '
    'look at what the model does after model.eval()',
    'threshold_unsure': 'outputs left [0, 1] (logits?), and labels were predicted above 0.5: '
    'write `threshold = 0.0` or `threshold = 0.5` into the problem',
    'objective_unmeasured': 'the objective could not be computed of the held-out training samples, so that '
    'the loss decided: use more data, or another metric',
    'worse_than_tuned': 'trials do worse than a shorter training did in tuning: use a higher preset',
    'over_budget': 'tuning took more than its budget, since even its shortest runs did: '
    'use longer trials or a higher tuning_budget',
    'unread': 'the code did not use a parameter of this architecture during tuning: '
    'it makes no difference here',
}


HARMLESS = frozenset({'longest', 'stopped_early'})
"""The flags that cast no doubt on a choice: they say how long trials are."""


class Exclusion(NamedTuple):
    """Why an architecture with a certain flag cannot be compared.

    Attributes:
        why: The reason, as a clause of a sentence.
        remedy: What to do about it, as an imperative.
    """

    why: str
    remedy: str


EXCLUSIONS: Mapping[str, Exclusion] = {
    'nothing_learned': Exclusion(
        'no candidate learned more than noise in tuning, so the learning rate is a guess',
        'use a higher preset',
    ),
    'too_few_converged': Exclusion(
        'fewer than two of its trials converged, or fewer than half', 'use a higher preset or a lower lr_end'
    ),
    'evaluation_diverged': Exclusion(
        'the loss of a trial was finite in training, and NaN or infinite in evaluation mode',
        'look at what the model does only in evaluation mode',
    ),
    'threshold_unsure': Exclusion(
        'outputs left [0, 1], so labels may have been predicted from the wrong threshold on',
        'write `threshold = …` into the problem',
    ),
    'worse_than_tuned': Exclusion(
        'trials did worse than a shorter training did in tuning', 'use a higher preset or a lower lr_end'
    ),
}
"""The flags that make an architecture not comparable: its scores say more about its tuning than about it."""


def exclusions(flags: Sequence[str]) -> list[str]:
    """Returns which of the flags make an architecture not comparable; none if it can be compared."""
    return [flag for flag in EXCLUSIONS if flag in flags]
