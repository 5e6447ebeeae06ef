"""How an architecture's learning rate and batch size were chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...store.details import read_curve, read_misc
from ..collect import PointSummary
from ..findings import Findings

_MOST_STEPS = 120


@dataclass(frozen=True)
class Tuning:
    """How a learning rate and a batch size were chosen.

    Attributes:
        name: The architecture.
        lrs: Learning rates of the range test, rising.
        loss: Of the range test at these, median over initialisations; None from where it diverged.
        perf: Performance of the range test at these.
        candidates: What was trained briefly and compared: `round`, `lr` (highest of its cycle),
            `batch_size`, `steps`, `loss`, `perf`; those of a void round (all diverged) included.
        lr_start: Lowest learning rate of the trials.
        lr_end: Highest learning rate of the trials.
        batch_size: Of the trials.
        why: The choice in words.
        budget: Samples that tuning trained on, in trials.
    """

    name: str
    lrs: list[float]
    loss: list[float | None]
    perf: list[float]
    candidates: list[dict[str, Any]]
    lr_start: float
    lr_end: float
    batch_size: int
    why: str
    budget: float | None


def tuning(findings: Findings, one: PointSummary) -> Tuning | None:
    """Returns how an architecture was tuned; None if it is not."""
    layout, store = findings.store.files(one.params), findings.store
    tuned, misc = store.tuned(one.params), read_misc(layout)
    if tuned is None:
        return None
    lrs, loss, perf = _range_test(read_curve(layout, 'lr_vs_perf') or {})
    budget = misc.get('budget')
    return Tuning(
        findings.name(one), lrs, loss, perf, _candidates(read_curve(layout, 'candidates') or {}),
        tuned.lr_start, tuned.lr_end, tuned.batch_size, str(misc.get('why', '')),
        budget.get('trials') if isinstance(budget, dict) else None,
    )  # fmt: skip


def _range_test(curve: dict[str, np.ndarray]) -> tuple[list[float], list[float | None], list[float]]:
    """The test's curve without its warm-up, thinned out to what can be seen."""
    if not {'lrs', 'loss', 'perf'} <= curve.keys():
        return [], [], []
    lrs = curve['lrs']
    rising = np.flatnonzero(lrs > lrs[0]) if len(lrs) else np.array([], dtype=int)
    seen = rising[:: max(1, -(-len(rising) // _MOST_STEPS))]
    loss = [float(value) if np.isfinite(value) else None for value in curve['loss'][seen]]
    return lrs[seen].tolist(), loss, curve['perf'][seen].tolist()


def _candidates(table: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    columns = {name: array.tolist() for name, array in table.items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
