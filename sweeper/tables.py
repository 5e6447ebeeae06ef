"""The columns of `results.csv` and `to_frame`: their names."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .metric import PERFORMANCE, MetricInfo

SCORES = ('perf_train', 'loss_train', 'perf_val', 'loss_val', 'perf_test', 'loss_test')
TRIAL_COLUMNS = ('epochs', 'seed', 'seconds', 'diverged', *SCORES, 'best_val', 'best_epoch')
SPLITS = ('train', 'val', 'test')
TUNED_COLUMNS = ('lr_start', 'lr_end', 'batch_size')
"""Of `lr_min`, `lr_max` and the batch size: tables keep the names that they have always had."""
_RESERVED = {'id', 'trial', 'flags', *TUNED_COLUMNS, *TRIAL_COLUMNS}


def metric_columns(metrics: Sequence[MetricInfo]) -> list[str]:
    """Names of the columns of metrics other than the objective, the first; the loss has its own anyway."""
    return [f'{info.name}_{split}' for info in metrics[1:] if info.name != 'loss' for split in SPLITS]


def parameter_columns(parameters: Sequence[str], reserved: Collection[str]) -> list[str]:
    """Names of the parameters' columns in a table that has others, of reserved names."""
    return [f'param_{name}' if name in reserved else name for name in parameters]


def nuisance_columns(names: Sequence[str]) -> list[str]:
    """Names of the columns of nuisance parameters in a table that has others."""
    return [f'nuisance_{name}' for name in names]


def results_header(
    parameters: Sequence[str],
    nuisance: Sequence[str] = (),
    metrics: Sequence[MetricInfo] = (PERFORMANCE,),
    are_tuned_repeatedly: bool = False,
) -> list[str]:
    """The columns of `results.csv` and `to_frame`, for parameters of points, nuisance parameters, metrics.

    With several tunings of each point, there is also the number of that which a trial uses.
    """
    number = ['tuning'] * are_tuned_repeatedly
    columns, measured = [*nuisance_columns(nuisance), *number], metric_columns(metrics)
    names = parameter_columns(parameters, _RESERVED.union(columns, measured))
    return ['id', *names, *TUNED_COLUMNS, *columns, 'trial', *TRIAL_COLUMNS, *measured, 'flags']
