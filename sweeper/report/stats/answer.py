"""The answer of a sweep in words: the verdict, in at most three sentences; then what else is to be known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...stats.advice import MOST_TRIALS
from ...stats.intervals import Interval, number
from ...stats.looks import ALPHA
from ...stats.verdict import Verdict
from ..flags import EXCLUSIONS
from ..measure import Measure, units_of
from ..wording import counted, in_words

_MOST_SENTENCES = 3
_MOST_NAMES = 4
_SMALLEST_P = 1e-6
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Answer:
    """What a comparison says, in sentences.

    Attributes:
        names: Of the architectures.
        verdict: What their scores say.
        measure: What scores are.
        exclusions: For each architecture, the flags that make it not comparable.
        test_scores: Scores on test data, shape `(architectures, trials)`; None without a test split.
        epochs: For each, how many its trials have; empty if that is not known.
    """

    names: Sequence[str]
    verdict: Verdict
    measure: Measure
    exclusions: Sequence[Sequence[str]]
    test_scores: np.ndarray | None = None
    epochs: Sequence[float] = ()

    @property
    def text(self) -> str:
        """Which is best, and which cannot be compared: at most three sentences."""
        return ' '.join(self._sentences[:_MOST_SENTENCES])

    @cached_property
    def headline(self) -> str:
        """The first words of the text, which are the verdict; '' if there is none yet."""
        verdict, best = self.verdict, self.verdict.best
        if best is None or verdict.design.is_interim:
            return ''
        if len(verdict.order) == 1:
            return self._only(best)
        if verdict.winner is not None:
            return f'{self.names[best]} is the {"better" if len(verdict.order) == 2 else "best"}'
        if self._is_settled:
            names = _listed([self.names[index] for index in verdict.equivalent])
            return f'{names} are equivalent within {self._number(verdict.margin)}'
        return 'No clear winner'

    def _only(self, best: int) -> str:
        only = 'architecture with trials' if len(self.names) == 1 else 'comparable architecture'
        return f'{self.names[best]} is the only {only}'

    @property
    def details(self) -> list[str]:
        """What else is to be known."""
        limits = self._smallest_gap(), self._optimism(), self._look(), self._paired()
        scope = self._tuned_once(), self._chosen_by(), self._lengths()
        return [*self._sentences[_MOST_SENTENCES:], *filter(None, limits + scope)]

    @cached_property
    def _sentences(self) -> list[str]:
        """The most important first."""
        if not self.names:
            return ['There are no trials yet.']
        others = (
            self.not_comparable,
            self._equivalent(),
            self.on_test_data,
            self._candidates(),
            self._advice(),
        )
        return [*self._best(), *filter(None, others)]

    # Which is best

    def _best(self) -> list[str]:
        """Says which of those that can be compared is best."""
        verdict, best = self.verdict, self.verdict.best
        if best is None:
            return []
        is_only = len(verdict.order) == 1
        second = best if is_only else verdict.order[1]
        only = f'{self._only(best)}: {self._mean(best)}{self.measure.direction}'
        if verdict.design.is_interim:
            place = only if is_only else self._place(best, second)
            return [f'So far, {place}.', 'The verdict comes when all trials are done.']
        if is_only:
            return [f'{only}.']
        if verdict.winner is None:
            scope = f'among {self._those} ({self._counts})'
            if self._is_settled:
                compared = ' compared' * (len(verdict.order) == len(self.names))
                scope = f'(95% confidence; {self._those}{compared}, {self._counts})'
            return [f'{self.headline} {scope}.', self._leader(best, second)]
        direction = 'lower is better; ' * (not self.measure.info.higher)
        mean = f'{self._mean(best)} ({direction}{self._trials(best)})'
        side = 'above' if self.measure.info.higher else 'below'
        rival = 'the runner-up ' * (len(verdict.order) > 2) + self.names[second]
        gap = self._difference(second)
        return [
            f'{self.headline} of {self._those}: {mean}, {self._number(gap.mean)} {side} {rival} '
            f'({self._ends(gap)}; {self._p(best, second)}).'
        ]

    def _leader(self, best: int, second: int) -> str:
        """Says which comes first, and why that is not enough."""
        behind, shares = self.verdict.behind[second], self.verdict.shares
        if behind.mean == 0:
            return self._same_mean(best)
        more_often = [index for index in self.verdict.order if shares[index] > shares[best]]
        if more_often:
            other = more_often[0]
            return (
                f'{self._first(best)} of its converged trials ({self._converged(best)}), but '
                f'{self.names[other]}, {self._mean(other)}, converges more often ({self._converged(other)}).'
            )
        rival = next(iter(self.verdict.undecided), second)  # one of more spread, if not the second
        is_ahead = self._less_certain is None and self.verdict.behind[rival].mean > 0
        why = self._why_not_enough(best, rival) if is_ahead else ''
        return f'{self._place(best, rival)}{why}.'

    def _place(self, best: int, second: int) -> str:
        """Says by how much the first leads, or why it is first although another's mean is better."""
        other = self._less_certain
        if other is None and self._difference(second).mean < 0:
            rival = f'{self.names[second]} is {self._number(self._difference(second).mean)} ahead'
            return f'{self._first(best)}, but {rival} in the trials that both have'
        if other is None:
            return f'{self._first(best)}; its lead over {self.names[second]} is {self._lead(second)}'
        better = 'higher' if self.measure.info.higher else 'lower'
        return (
            f'{self._first(best)} ({self._trials(best)}): {self.names[other]} has a {better} one, '
            f'{self._mean(other)} ({self._trials(other)}), but a less certain one'
        )

    @property
    def _less_certain(self) -> int | None:
        """Which has a better mean than the first, but fewer trials, so that it is not first; None if none."""
        order, means = self.verdict.order, self.measure.sign * self.verdict.means
        least = means[order[0]] + _ROUNDING * abs(means[order[0]])
        return next((index for index in order if means[index] > least), None)

    def _same_mean(self, best: int) -> str:
        same = [index for index in self.verdict.order if self.verdict.behind[index].mean == 0]
        who, all_of = _listed([self.names[index] for index in same]), 'Both' if len(same) == 2 else 'All'
        if self._is_settled and {*same} == {*self.verdict.equivalent}:  # whom the sentence before named
            who = all_of
        text = f'{who} have the same mean, {self._mean(best)}'
        losses = self.verdict.losses[same]
        if self.measure.name == 'loss' or not losses[0] < losses[1]:
            return f'{text}.'
        return f'{text}; {self.names[best]} has the lowest loss of them, {number(float(losses[0]))}.'

    def _why_not_enough(self, best: int, second: int) -> str:
        behind = self.verdict.behind[second]
        if not np.isfinite(behind.low):
            are_single = min(self.verdict.converged[best], self.verdict.converged[second]) == 1
            return f', and {"a single trial says" if are_single else "these trials say"} nothing of chance'
        if behind.low > 0 and not self.verdict.design.level:
            return ', but nothing is claimed after the looks that were planned'
        is_chance = self.verdict.differences.row(best).p_adjusted[second] >= ALPHA
        why = f' ({self._p(best, second)})' * bool(behind.low > 0 and is_chance)
        return f': that could be chance{why}'

    def _first(self, best: int) -> str:
        if self._less_certain is not None:
            return f'{self.names[best]} comes first, with a mean of {self._mean(best)}'
        return f'{self.names[best]} has the {self._extreme} mean, {self._mean(best)}'

    def _lead(self, second: int) -> str:
        gap = self._difference(second)
        ends = f' ({self._ends(gap)})' if np.isfinite(gap.low) else ''
        return f'{self._number(gap.mean)}{ends}'

    def _difference(self, index: int) -> Interval:
        return self.verdict.behind[index]

    def _ends(self, gap: Interval) -> str:
        size = max(abs(gap.low), abs(gap.high), float(self.measure.info.is_share))
        return f'95% interval {number(gap.low, size)} to {number(gap.high, size)}'.replace('-', '\u2212')

    def _p(self, best: int, second: int) -> str:
        p = self.verdict.differences.row(best).p_adjusted[second]
        surely = f'p < {_SMALLEST_P:g}' if p < _SMALLEST_P else f'p = {p:.2g}'
        pairs = self.verdict.differences.pairs
        reasons = [counted(pairs, 'comparison')] * (pairs > 1)
        reasons += ['looking again'] * (self.verdict.design.planned_looks != 1)
        return f'{surely}, corrected for {" and ".join(reasons)}' if reasons else surely

    @property
    def _those(self) -> str:
        """How many are compared."""
        count = len(self.verdict.order)
        return f'{count} comparable architectures' if count < len(self.names) else str(count)

    @property
    def _counts(self) -> str:
        """How many trials there are of each."""
        trials, tunings = [int(self._all_trials[i]) for i in self.verdict.order], self.verdict.design.tunings
        each = f'in {tunings} tunings each' if tunings > 1 else 'each'
        if min(trials) == max(trials):
            return f'{counted(trials[0], "trial")} {each}'
        return f'{min(trials)} to {max(trials)} trials {each}'

    @property
    def _all_trials(self) -> np.ndarray:
        total: np.ndarray = self.verdict.converged + self.verdict.diverged
        return total

    def _trials(self, index: int) -> str:
        if self.verdict.diverged[index]:
            return f'{self._converged(index)} converged'
        return counted(int(self.verdict.converged[index]), 'trial')

    def _converged(self, index: int) -> str:
        return f'{self.verdict.converged[index]} of {self._all_trials[index]}'

    # What else is to be said

    @cached_property
    def not_comparable(self) -> str:
        """Which architectures cannot be compared, why, and what to do; '' if all can."""
        groups: dict[tuple[str, ...], list[int]] = {}
        for index, flags in enumerate(self.exclusions):
            if flags:
                groups.setdefault(tuple(flags), []).append(index)
        texts = [self._excluded(flags, members) for flags, members in groups.items()]
        return f'Not comparable: {"; ".join(texts)}.' if texts else ''

    def _excluded(self, flags: Sequence[str], members: Sequence[int]) -> str:
        members = sorted(members, key=lambda index: -self.measure.sign * float(self.verdict.means[index]))
        names = _listed([f'{self.names[index]} ({self._mean(index)})' for index in members])
        why = ', and '.join(EXCLUSIONS[flag].why for flag in flags)
        every = [*dict.fromkeys(EXCLUSIONS[flag].remedy for flag in flags)]
        wholes = [text for text in every if not any(text in other for other in every if other != text)]
        remedy = '; '.join(wholes)  # without what others have in them
        return f'{names}, since {why} ({", ".join(flags)}: {remedy})'

    @cached_property
    def on_test_data(self) -> str:
        """How the best does on test data; '' without a split."""
        best, tested = self.verdict.best, self.test_scores
        if best is None or tested is None:
            return ''
        scores = {index: float(score) for index, score in enumerate(tested[best]) if np.isfinite(score)}
        if not scores:
            return ''
        name = '' if self.measure.is_plain else f'{self.measure.name} '
        reached = f'{name}{self.measure.interval(units_of(scores, self.verdict.design.tunings))}'
        return f'On test data, by which nothing was chosen, {self.names[best]} reaches {reached}.'

    def _equivalent(self) -> str:
        if not self.verdict.equivalent or self._is_settled:
            return ''
        best, *others = self.verdict.equivalent
        are = f'{_listed([self.names[index] for index in others])} {"is" if len(others) == 1 else "are"}'
        within, yet = self._number(self.verdict.margin), 'Yet ' * (self.verdict.winner is not None)
        return f'{yet}{are} equivalent to {self.names[best]} within {within} (95% confidence).'

    def _candidates(self) -> str:
        candidates, count = self.verdict.candidates, len(self.verdict.order)
        if not self._is_open or (self._is_settled and len(candidates) == count):
            return ''
        if self._is_settled:
            return 'No other can be the best (95% confidence).'
        if len(candidates) == count:
            return 'None of them can be ruled out as the best.' if count > 2 else ''
        names = _listed([self.names[index] for index in candidates])
        return f'The best is among these {len(candidates)} (95% confidence): {names}.'

    def _advice(self) -> str:
        """Says how many trials a difference that matters takes."""
        verdict = self.verdict
        if not self._is_open or self._is_settled or verdict.advice.spread is None or not verdict.margin > 0:
            return ''
        lead, trials = f'a lead of {self._number(verdict.margin)}', verdict.advice.trials
        what = 'tunings' if verdict.design.tunings > 1 else 'trials'  # what tests count
        if trials is None:
            return (
                f'To confirm {lead} would take more than {MOST_TRIALS} {what} of each: '
                f'it is too small to be worth confirming.'
            )
        ends = f'{trials.least} or more' if trials.most is None else f'{trials.least} to {trials.most}'
        ends = str(trials.least) if trials.least == trials.most else ends
        return f'To confirm {lead} would take {ends} {what} of each.'

    @property
    def _is_open(self) -> bool:
        """Whether trials are done, and do not say which of several architectures is best."""
        verdict = self.verdict
        return verdict.winner is None and not verdict.design.is_interim and len(verdict.order) > 1

    @property
    def _is_settled(self) -> bool:
        """Whether more trials would change nothing: all of several that may be the best are equivalent."""
        return self.verdict.winner is None and set(self.verdict.candidates) <= set(self.verdict.equivalent)

    def _smallest_gap(self) -> str:
        gap = self.verdict.advice.smallest_gap
        if not np.isfinite(gap) or len(self.verdict.order) < 2:
            return ''
        return (
            f'Sweeps like this one ({len(self.verdict.order)} architectures, {self._counts}) confirm a '
            f'lead of {self._number(gap)} in four of five cases, and smaller ones less often.'
        )

    def _optimism(self) -> str:
        best, count = self.verdict.best, len(self.verdict.order)
        if best is None or count < 2:
            return ''
        way = 'high' if self.measure.info.higher else 'low'
        mean = f'The validation mean of {self.names[best]}, {self._interval(best)}, is probably a little too'
        rank = self._extreme if self._less_certain is None else 'first'
        remedy = '' if self.test_scores is not None else '; a test split would show how much'
        return f'{mean} {way}, because it is the {rank} of {count}{remedy}.'

    def _interval(self, index: int) -> Interval:
        return self.measure.shown(self.verdict.intervals[index])

    def _look(self) -> str:
        """Says which look at the results this is."""
        design = self.verdict.design
        if design.planned_looks == 1 or len(self.verdict.order) < 2:
            return ''
        planned = f' of {design.planned_looks} planned' if design.planned_looks else ''
        which = f'This is look {design.look} at the results{planned}'
        if not design.level:
            return f'{which}: no error is left for it, so nothing is claimed.'
        return (
            f'{which}: a false claim has a probability of at most {design.level:.2g} at this look, and of '
            f'{ALPHA:g} over all of them; p-values are scaled to be compared with {ALPHA:g}.'
        )

    def _paired(self) -> str:
        """Says that trials are compared in pairs, if they are."""
        design = self.verdict.design
        if not design.paired or len(self.verdict.order) < 2:
            return ''
        return f'Trials of the same {"split" if design.val_to_train else "number"} are compared in pairs.'

    def _tuned_once(self) -> str:
        if self.verdict.design.tunings > 1 or len(self.verdict.order) < 2:
            return ''
        return 'This holds for the architectures as tuned here: each was tuned once.'

    def _chosen_by(self) -> str:
        """Says that another metric was tuned by, if one was."""
        name, objective = self.measure.name, self.measure.objective
        return (
            '' if self.measure.is_objective else f'Learning rates were tuned by {objective}, not by {name}.'
        )

    def _lengths(self) -> str:
        """Says how long trials are, if not equally long for all."""
        epochs = self.epochs
        if len(set(epochs)) < 2:
            return ''
        return (
            f'Trials are {min(epochs):.3g} to {max(epochs):.3g} epochs long, as tuned for each architecture.'
        )

    @property
    def _extreme(self) -> str:
        return 'highest' if self.measure.info.higher else 'lowest'

    def _mean(self, index: int) -> str:
        return self.measure.text(float(self.verdict.means[index]))

    def _number(self, value: float) -> str:
        return self.measure.number(abs(value))


def _listed(names: Sequence[str]) -> str:
    if len(names) > _MOST_NAMES:
        return f'{", ".join(names[:_MOST_NAMES])} and {len(names) - _MOST_NAMES} more'
    return in_words(names)
