"""Mean performance for every pair of values of two parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..findings import Findings
from .axis import axis


@dataclass(frozen=True)
class HeatMap:
    """Mean performance for every pair of values.

    Attributes:
        x: Name of the parameter along the columns.
        y: Name of the parameter along the rows.
        columns: Its values.
        rows: Its values.
        means: Over the architectures of that pair, `means[row][column]`; None where there is none.
        counts: How many these are.
    """

    x: str
    y: str
    columns: list[str]
    rows: list[str]
    means: list[list[float | None]]
    counts: list[list[int]]


def heat_map(findings: Findings, x: str, y: str) -> HeatMap:
    """Returns mean performance for every pair of values of two parameters.

    Raises:
        InvalidArgument: There is no such parameter.
    """
    across, along = axis(findings, x), axis(findings, y)
    shape = len(along.values), len(across.values)
    sums, counts = np.zeros(shape), np.zeros(shape, dtype=int)
    for row, column, one in zip(along.indices, across.indices, findings.compared, strict=True):
        if row is not None and column is not None:
            sums[row, column] += one.perf_val.mean
            counts[row, column] += 1
    means = [
        [float(total / count) if count else None for total, count in zip(*line, strict=True)]
        for line in zip(sums, counts, strict=True)
    ]
    return HeatMap(x, y, across.values, along.values, means, counts.tolist())
