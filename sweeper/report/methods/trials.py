"""How often architectures were trained, on which data, and what their scores are."""

from __future__ import annotations

from ..findings import Findings
from ..wording import counted, in_epochs, times

_SCHEDULES = {
    '': 'a triangular cyclical learning-rate schedule',
    'one-cycle': 'a one-cycle learning-rate schedule',
    'cosine': 'a cosine learning-rate schedule',
    'constant': 'a constant learning rate',
}


def trials(findings: Findings) -> list[str]:
    """Returns the sentences on trials; '' for one that does not apply."""
    if not findings.compared:
        return ['There are no trials yet.']
    return [
        _repetition(findings),
        _length(findings),
        _together(findings),
        _stopping(findings),
        _scores(findings),
        _divergence(findings),
    ]


def _repetition(findings: Findings) -> str:
    manifest = findings.store.manifest
    counts = [summary.trials for summary in findings.compared]
    often = times(min(counts))
    if min(counts) < max(counts):
        often = f'{min(counts)} to {max(counts)} times'
    turns = ' Its trials took turns in the results of its tunings.' * (manifest.tunings > 1)
    if not manifest.resample:
        return (
            f'Each architecture was then trained {often} on all {manifest.train_size:,} training '
            f'samples; these trials differ in initialisation and order of the data, not in the split of the '
            f'data.{turns}'
        )
    kind, _, number = str(manifest.resample.get('splits')).partition(':')
    splits = 'random splits of the training and validation data'
    if kind == 'folds':
        splits = f'the folds of {number}-fold cross-validation of the training and validation data'
    return (
        f'Each architecture was then trained {often}, on {splits}, which are the same for all architectures; '
        f'trials differ in initialisation and order of the data, too.{turns}'
    )


def _length(findings: Findings) -> str:
    tuned = [
        each
        for summary in findings.compared
        if (first := findings.store.tuned(summary.params)) is not None
        for each in first.tunings
    ]
    if not tuned:
        return ''
    shortest, longest = (choose(each.epochs for each in tuned) for choose in (min, max))
    length = in_epochs(longest)
    if shortest < longest:
        length = f'{shortest:.3g} to {length}, as tuned for the architecture'
    name = str(tuned[0].training.get('schedule', ''))
    schedule = _SCHEDULES.get(name, f'the learning-rate schedule {name}')
    return f'A trial took {length}, with {schedule}.'


def _together(findings: Findings) -> str:
    processes = findings.store.manifest.processes_per_run
    if processes == 1:
        return ''
    return (
        f'Each model was trained by {processes} processes (data-parallel, synchronous): the batch size is '
        f'that of all together.'
    )


def _stopping(findings: Findings) -> str:
    patience = findings.store.manifest.stopping.get('patience')
    if patience is None:
        return ''
    return (
        f'It ended early if it had not improved for {counted(patience, "learning-rate cycle")} on a '
        f'tenth of the training data, which was held out for that.'
    )


def _scores(findings: Findings) -> str:
    manifest, measure = findings.store.manifest, findings.measure
    has_size = manifest.val_size > 0 and not manifest.resample
    samples = f' on {manifest.val_size:,} validation samples' * has_size
    text = f'The score of a trial is the validation {measure.info.name} of the final network{samples}'
    if not measure.is_objective:
        text += f'; hyperparameters were tuned by {manifest.objective.name}'
    is_tested = findings.comparison.test_scores is not None
    return f'{text}.{" No choice was based on test data." * is_tested}'


def _divergence(findings: Findings) -> str:
    verdict = findings.comparison.verdict
    diverged, converged = int(verdict.diverged.sum()), int(verdict.converged.sum())
    if not diverged:
        return ''
    return (
        f'Of {diverged + converged} trials, {diverged} diverged. Means are of those that converged, and no '
        f'architecture is called better than one of which a larger share of trials converged.'
    )
