"""The summaries: what the single results come to, as arrays and as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ..points import value_to_text
from ..results import TrialResult, Tuned, trial_row
from ..tables import results_header
from .records import Records


def final_arrays(trials: Mapping[int, TrialResult]) -> dict[str, np.ndarray]:
    """The content of `results.npz`: the final scores, those on test data only if all trials have them."""
    results = [result for _, result in sorted(trials.items())]
    has_test = bool(results) and all(result.loss_test is not None for result in results)
    kept = (
        [name for name in results[0].metrics if all(name in result.metrics for result in results)]
        if results
        else []
    )
    scores = {
        f'final_{kind}_{split}': np.array(
            [getattr(result, f'{kind}_{split}') for result in results], dtype=float
        )
        for split in ('train', 'val', 'test')[: 2 + has_test]
        for kind in ('loss', 'perf')
    }
    others = {f'final_{name}': np.array([result.metrics[name] for result in results]) for name in kept}
    return {**scores, **others}


def results_table(records: Records) -> tuple[list[str], Iterator[list[object]]]:
    """The header and the rows of `results.csv`, which are made while they are written."""
    nuisance = records.nuisance_names()
    metrics, are_tuned_repeatedly = records.manifest.metrics, records.manifest.tunings > 1
    header = results_header(records.lookup.columns, nuisance, metrics, are_tuned_repeatedly)
    return header, _rows(records, nuisance)


def _rows(records: Records, nuisance: Sequence[str]) -> Iterator[list[object]]:
    """One row per trial; a nuisance parameter that a point fixes or lacks is empty."""
    for point_id, (point, record) in enumerate(records.by_point.items()):
        tuned = record.tuned
        if tuned is None or record.errors:
            continue
        cells, flags = records.lookup.cells(point), ' '.join(tuned.flags_with(record.trials))
        hparams = [_hparams(tuning, nuisance) for tuning in tuned.tunings]
        if records.manifest.tunings > 1:
            hparams = [[*some, number] for number, some in enumerate(hparams)]
        for index, trial in record.trials.items():
            row = trial_row(trial, records.manifest.metrics).values()
            yield [point_id, *cells, *hparams[index % len(hparams)], index, *row, flags]


def _hparams(tuned: Tuned, nuisance: Sequence[str]) -> list[object]:
    others = [value_to_text(tuned.nuisance[name]) if name in tuned.nuisance else '' for name in nuisance]
    return [tuned.lr_min, tuned.lr_max, tuned.batch_size, *others]
