"""A trial's result as its file has it: how steps were taken is one text in `result.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ..results import TrialResult
from ..step_kind import StepKind
from .records import with_shared_texts

_LOSSES = ('loss_train', 'loss_val', 'loss_test')
_FIELDS = tuple(each.name for each in fields(TrialResult))
_IF_THERE = ('flags', 'metrics', 'split')
_OBJECTIVE = ('perf_train', 'perf_val', 'perf_test', 'best_val')
_INFINITE: Mapping[Any, float] = {'inf': math.inf, '-inf': -math.inf}


def result_content(result: TrialResult) -> dict[str, Any]:
    """The content of `result.json`; `flags`, `metrics` and `split` only if there are any."""
    content = {name: getattr(result, name) for name in _FIELDS}  # `asdict` takes ten times as long
    kind = StepKind(content['step'], content.pop('step_reason'), content.pop('lanes'))
    content['step'] = str(kind)
    content['metrics'] = {name: _as_json(value) for name, value in result.metrics.items()}
    content['split'] = {**result.split}
    for name in _IF_THERE:
        if not content[name]:
            del content[name]
    for name in _OBJECTIVE:
        content[name] = _as_json(content[name])
    return content


def _as_json(value: float | None) -> float | str | None:
    """A value of a metric; one that is infinite, which strict JSON cannot hold, as text."""
    return str(value) if value is not None and math.isinf(value) else value


def with_infinities(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of `result.json` with its infinite numbers as such."""
    data = {**content}
    for name in _OBJECTIVE:
        data[name] = _INFINITE.get(data.get(name), data.get(name))
    if isinstance(metrics := data.get('metrics'), dict):
        data['metrics'] = {name: _INFINITE.get(value, value) for name, value in metrics.items()}
    for name in _LOSSES if data.get('perf_test') is not None else _LOSSES[:2]:
        if data[name] is None:
            data[name] = math.inf
    return data


def result_from(content: Mapping[str, Any]) -> TrialResult:
    """Returns the result that `result.json` has, of this or an earlier version."""
    step, step_reason, lanes = StepKind.parse(content.get('step', ''))
    fields = {**content, 'step': step, 'step_reason': step_reason, 'lanes': lanes}
    return with_shared_texts(TrialResult(**fields))
