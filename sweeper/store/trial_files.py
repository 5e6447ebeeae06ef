"""A trial's result as its file has it: how steps were taken is one text in `result.json`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from ..results import StepKind, TrialResult


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


def with_shared_texts(result: TrialResult) -> TrialResult:
    """Returns the same with texts that are kept once for all results: there may be very many."""
    reason = result.step_reason
    return replace(
        result, step=sys.intern(result.step), step_reason=None if reason is None else sys.intern(reason)
    )
