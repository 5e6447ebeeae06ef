"""Checks, before anything is trained, that several processes can train models together."""

from __future__ import annotations

from ...errors import InvalidArgument, ProblemError
from ..facts import ProblemFacts

_OPTION = 'processes_per_run'
_DEVICES = ('cpu', 'cuda')


def check_together(processes: int, facts: ProblemFacts, device: str, step: str) -> None:
    """Checks that models can be trained by so many processes together, before anything is trained.

    Args:
        processes: How many; one can train whatever can be trained.
        facts: Of the problem.
        device: As `SweepConfig` has it.
        step: As `SweepConfig` has it.

    Raises:
        ProblemError: It is a problem whose models cannot.
        InvalidArgument: Something else that was asked for cannot be done then.
    """
    if processes == 1:
        return
    together = f'{_OPTION}={processes!r}'
    if facts.why_not_together is not None:
        raise ProblemError(
            f'{together}: several processes cannot train a model of {facts.name!r} together: '
            f'{facts.why_not_together}'
        ).naming((_OPTION, processes))
    if step in ('captured', 'lanes'):
        raise InvalidArgument(
            f'step={step!r} with {together}: steps that several processes take together are eager; must be '
            f"'auto' or 'eager'"
        ).naming(('step', step), (_OPTION, processes))
    if facts.device not in _DEVICES:
        raise InvalidArgument(
            f'device={device!r} with {together}: must be a CPU, or GPUs of NVIDIA or AMD; processes cannot '
            f'average gradients on {facts.device}'
        ).naming(('device', device), (_OPTION, processes))
