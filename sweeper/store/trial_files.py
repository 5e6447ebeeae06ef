"""A trial's result as its file has it: how steps were taken is one text in `result.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ..results import StepKind, TrialResult
from .records import with_shared_texts


def result_content(result: TrialResult) -> dict[str, Any]:
    """The content of `result.json`; `flags` only if there are any."""
    content = asdict(result)
    kind = StepKind(content['step'], content.pop('step_reason'), content.pop('lanes'))
    content['step'] = str(kind)
    if not result.flags:
        del content['flags']
    return content


def result_from(content: Mapping[str, Any]) -> TrialResult:
    """Returns the result that `result.json` has, of this or an earlier version."""
    step, step_reason, lanes = StepKind.parse(content.get('step', ''))
    fields = {**content, 'step': step, 'step_reason': step_reason, 'lanes': lanes}
    return with_shared_texts(TrialResult(**fields))
