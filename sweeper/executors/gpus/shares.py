"""How the GPUs of a machine are shared out among runs, as an executor is told."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...amounts import at_least, gpus_of
from ...errors import InvalidArgument
from .visible import in_groups, visible_gpus

_TOLERANCE = 1e-6  # three runs share a GPU at 0.333, too


class GpuShares:
    """What runs get of the GPUs.

    Args:
        per_gpu: How many runs share a GPU; None if that goes by memory.
        gpus_per_run: A share of a GPU, or how many a run has to itself; 0: as `per_gpu` has it.
        gpus: Those to deal out, as `CUDA_VISIBLE_DEVICES` names them; None for those that are visible.

    Attributes:
        slots: How many runs share a card, or the cards that a run gets together; None if that goes by memory.

    Raises:
        InvalidArgument: A value cannot be, or two say different things.
    """

    def __init__(
        self, per_gpu: int | None = None, gpus_per_run: float = 0.0, gpus: Sequence[str | int] | None = None
    ) -> None:
        self._per_gpu = None if per_gpu is None else at_least(1, 'per_gpu', per_gpu)
        self._gpus_per_run = gpus_of(gpus_per_run)
        self._gpus = None if gpus is None else _names(gpus)
        if per_gpu is not None and gpus_per_run:
            raise InvalidArgument(
                f'per_gpu={per_gpu!r}, gpus_per_run={gpus_per_run!r}: both say how GPUs are shared; give one'
            ).naming(('per_gpu', per_gpu))
        share = math.floor(1 / gpus_per_run + _TOLERANCE) if gpus_per_run else None
        self.slots = self._per_gpu if share is None else max(1, share)

    def cards(self, device: str) -> list[str]:
        """Returns what workers are given, as `CUDA_VISIBLE_DEVICES` has it: a card each, or several.

        Args:
            device: As `sweep` takes it.

        Returns:
            None of them for devices that are no GPUs of NVIDIA, and where there are none.

        Raises:
            InvalidArgument: There are not as many as a run needs, or none to be shared.
        """
        names = self._gpus if self._gpus is not None else visible_gpus(device)
        together = max(1, int(self._gpus_per_run))
        cards = [','.join(group) for group in in_groups(names, together)]
        if cards or (self._per_gpu is None and not self._gpus_per_run):
            return cards
        name, value = ('per_gpu', self._per_gpu) if self._per_gpu else ('gpus_per_run', self._gpus_per_run)
        seen = f'only {len(names)}' if names else 'no GPU of NVIDIA'
        raise InvalidArgument(f'{name}={value!r}: with device={device!r}, this process sees {seen}').naming(
            (name, value), ('device', device)
        )


def _names(gpus: Sequence[str | int]) -> tuple[str, ...]:
    names = tuple(str(gpu) for gpu in gpus)
    if (
        isinstance(gpus, str)
        or not names
        or len(set(names)) < len(names)
        or any(',' in name for name in names)
    ):
        raise InvalidArgument(
            f'gpus={gpus!r}: must be a list of GPUs, as CUDA_VISIBLE_DEVICES names them, each once: '
            f"['0', '2'], say"
        )
    return names
