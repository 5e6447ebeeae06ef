"""How scores were compared, and how errors are controlled."""

from __future__ import annotations

from ...stats.looks import ALPHA
from ...stats.variances import MOST_PRIOR_FREEDOM
from ..findings import Findings
from ..stats.effects import FANOVA
from ..wording import in_words


def statistics(findings: Findings) -> list[str]:
    """Returns the sentences on tests; '' for one that does not apply."""
    if len(findings.comparison.verdict.order) < 2:
        return [_left_out(findings)]
    parts = _left_out, _test, _correction, _best, _equivalence, _looks, _tunings, _effects
    return [part(findings) for part in parts]


def _left_out(findings: Findings) -> str:
    exclusions = [flags for flags in findings.comparison.exclusions if flags]
    if not exclusions:
        return ''
    reasons = in_words(list(dict.fromkeys(flag for flags in exclusions for flag in flags)))
    were = 'architecture was' if len(exclusions) == 1 else 'architectures were'
    return (
        f'{len(exclusions)} {were} left out of all comparisons because tuning or training was in doubt '
        f'(flags: {reasons}).'
    )


def _test(findings: Findings) -> str:
    comparison = findings.comparison
    if comparison.design.val_to_train:
        test = 'the corrected resampled t-test (Nadeau and Bengio 2003) on trials of the same split'
    elif comparison.design.paired:
        test = 'paired t-tests on trials of the same number'
    else:
        test = "Welch's t-test (Welch 1947)"
    moderated = (
        f' with variances moderated over all architectures (Smyth 2004; at most {MOST_PRIOR_FREEDOM:g} prior '
        f'degrees of freedom)'
    )
    shared = moderated * comparison.pairwise.is_moderated
    return f'Two architectures were compared by {test}{shared}. Intervals are 95% confidence intervals.'


def _correction(findings: Findings) -> str:
    pairs = findings.comparison.pairwise
    method = 'Holm 1979' if pairs.correction == 'Holm' else pairs.correction
    p = f'p-value, corrected for all {pairs.pairs:,} pairs ({method}),' if pairs.pairs > 1 else 'p-value'
    return (
        f'An architecture is called better than another if the two-sided {p} is below {ALPHA:g}, and '
        f'the best if it is better than every other.'
    )


def _best(_findings: Findings) -> str:
    return (
        'The set of architectures that contains the best one with 95% confidence was found by one-sided '
        'comparisons with the best (Gupta 1965; Hsu 1996), corrected for their number by the method of Šidák.'
    )


def _equivalence(findings: Findings) -> str:
    verdict, planned = findings.comparison.verdict, findings.store.manifest.margin
    if not verdict.margin > 0:
        return ''
    if verdict.design.margin is not None:
        origin = 'which was set in advance' if planned == verdict.design.margin else 'which was set by us'
    elif verdict.design.resolution and verdict.design.limits == (0, 1):
        origin = 'the standard error that so many validation samples leave'
    else:
        origin = 'half the standard deviation between trials'
    return (
        f'Architectures are called equivalent if two one-sided tests (Schuirmann 1987) show that they differ '
        f'from the best by less than {findings.measure.number(verdict.margin)}, {origin}.'
    )


def _looks(findings: Findings) -> str:
    design = findings.comparison.verdict.design
    if design.planned_looks == design.look == 1:
        return 'Results were looked at once, as planned.'
    if design.planned_looks:
        late = ', for which no error is left, so that nothing is claimed' * (not design.level)
        return (
            f'{design.planned_looks} looks at the results were planned, each at the level '
            f'{ALPHA / design.planned_looks:.2g}, so that all together have an error rate of at most '
            f'{ALPHA:.0%}; this is look {design.look}{late}.'
        )
    return (
        f'This is look {design.look} at the results. Look k was tested at the level {ALPHA:g}/2^k, here '
        f'{design.level:.2g}, so that all looks together have an error rate of at most {ALPHA:.0%} (Lan and '
        f'DeMets 1983); p-values are scaled to be compared with {ALPHA:g}.'
    )


def _tunings(findings: Findings) -> str:
    if findings.store.manifest.method is not None:
        return ''
    if findings.comparison.verdict.design.tunings > 1:
        return 'The mean over the trials of a tuning was the unit of analysis.'
    return 'Each architecture was tuned once, so the results hold for the architectures as tuned here.'


def _effects(findings: Findings) -> str:
    influences = findings.comparison.influences
    if influences.unknown or not influences.effects:
        return ''
    if influences.method == FANOVA:
        how = (
            'estimated by functional ANOVA (Hutter et al. 2014) with an additive model, and tested by '
            'permutation'
        )
    else:
        how = 'found by an analysis of variance, and tested by the ANOVA-type statistic (Brunner et al. 1997)'
    return (
        f'Shares of the variance between architectures that parameters explain were {how}; the share of '
        f'noise was subtracted, and p-values were corrected for all effects (Holm 1979).'
    )
