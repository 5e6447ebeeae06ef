"""What was compared, and how each architecture was tuned."""

from __future__ import annotations

import dataclasses

from ...tuning.effort import Effort
from ...tuning.fixed import FixedHyperparameters
from ..findings import Findings
from ..order import value_order
from ..wording import counted, in_epochs, in_words, times

_MOST_VALUES = 6


def tuning(findings: Findings) -> list[str]:
    """Returns the sentences on architectures and their tuning; '' for one that does not apply."""
    manifest = findings.store.manifest
    software = (
        f'sweeper {manifest.versions.get("sweeper", "")} and PyTorch {manifest.versions.get("torch", "")}'
    )
    compared = (
        f'We compared {counted(len(findings.store.points), "architecture")}{_differences(findings)} with '
        f'{software} (seed {manifest.seed}).{_failed(findings)}'
    )
    if manifest.method == FixedHyperparameters.__name__:
        get = manifest.setting_values.get
        values = f'a learning rate of {get("lr")} and a batch size of {get("batch_size")}'
        return [compared, f'Hyperparameters were not tuned: all architectures were trained with {values}.']
    if manifest.method is not None:
        return [compared, f'Each was tuned by {manifest.method} [say here what it does].']
    return [compared, _budget(findings), _search(findings), _scores(findings)]


def _failed(findings: Findings) -> str:
    failed = sum(summary.error is not None for summary in findings.summaries)
    were = 'was' if failed == 1 else 'were'
    return f' {failed} of them could not be tuned or trained and {were} left out.' if failed else ''


def _differences(findings: Findings) -> str:
    """In what architectures differ: each parameter with its values, or with their range."""
    texts = []
    for column, name in enumerate(findings.columns):
        values = {summary.cells[column] for summary in findings.summaries} - {''}
        ordered = sorted(values, key=value_order)
        if len(ordered) > _MOST_VALUES:
            texts.append(f'{name} ({len(ordered)} values from {ordered[0]} to {ordered[-1]})')
        elif len(ordered) > 1:
            texts.append(f'{name} ({", ".join(ordered)})')
    return f' that differ in {in_words(texts)}' if texts else ''


def _budget(findings: Findings) -> str:
    manifest, settings = findings.store.manifest, findings.store.manifest.setting_values
    has_length = settings.get('length') == 'tuned'
    names = ['the learning rate', 'the batch size', *['the length of training'] * has_length]
    often = f' {times(manifest.tunings)}, from different seeds,' * (manifest.tunings > 1)
    preset = f'preset "{manifest.preset}"' if manifest.preset else 'settings of our own'
    known = {field.name for field in dataclasses.fields(Effort)}
    effort = Effort(**{name: value for name, value in settings.items() if name in known})
    longest = in_epochs(effort.trial_epochs(manifest.train_size))
    limit = ', the most that a trial may have' * has_length
    return (
        f'For each architecture separately, {in_words([*names, *findings.nuisance])} were tuned{often} '
        f'with the same budget ({preset}): at most as many training samples as {effort.tuning_budget:g} '
        f'trials of {longest} take{limit}.'
    )


def _search(findings: Findings) -> str:
    get = findings.store.manifest.setting_values.get
    if isinstance(objective := get('batch_objective'), int):
        sizes = f'with a batch size of {objective}'
    else:
        sizes = f'over learning rates and batch sizes (from {get("batch_start")} to {get("batch_end")})'
    return (
        f'A learning-rate range test (Smith 2017) from {get("lr_start"):g} to {get("lr_end"):g} was '
        f'followed by {get("rounds")} rounds of successive halving (Jamieson and Talwalkar 2016) {sizes}.'
    )


def _scores(findings: Findings) -> str:
    manifest = findings.store.manifest
    if manifest.setting_values.get('score_on') == 'held-out':
        data = 'on training samples held out from their training (a fifth of the data, at most 2,000)'
    else:
        data = 'on the data they were trained on'
    scored = f'Candidates were scored by {manifest.objective.name} and loss {data}'
    if manifest.resample:  # the validation parts of trials have training data in them
        return f'{scored}; the original validation data and test data played no part in tuning.'
    return f'{scored}; validation and test data played no part in tuning.'
