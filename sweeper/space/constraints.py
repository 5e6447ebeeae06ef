"""Limits of what a point may be: how large its model is and how fast, known without training it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Limits:
    """The most that a point's model may have; None where there is no limit.

    Attributes:
        parameters: Numbers in its parameters, trained or not.
        flops: Floating-point operations of a forward pass of one sample.
        memory: Bytes of its parameters, their gradients and its buffers, and of what a forward pass keeps for
            the backward pass, per sample. The optimizer's state is not among them.
        latency: Seconds of a forward pass of one sample, where it is measured.
    """

    parameters: float | None = None
    flops: float | None = None
    memory: int | None = None
    latency: float | None = None

    def __bool__(self) -> bool:
        return any(limit is not None for limit in vars(self).values())

    def to_dict(self) -> dict[str, float]:
        """Returns the limits that there are, by name."""
        return {name: limit for name, limit in asdict(self).items() if limit is not None}

    @classmethod
    def from_dict(cls, limits: Mapping[str, Any]) -> Limits:
        """Returns the limits that `to_dict` gave."""
        return cls(**limits)

    def violation(self, measures: Mapping[str, float]) -> str | None:
        """Says which limit measures of a model exceed, and by how much; None if they exceed none.

        Args:
            measures: What the model has, by the names of the limits; all that there is a limit of.
        """
        for name, limit in self.to_dict().items():
            if measures[name] > limit:
                return f'{_in_words(name, measures[name])}; the limit is {_in_words(name, limit)}'
        return None


def _in_words(name: str, value: float) -> str:
    if name == 'latency':
        return f'{1000 * value:.4g} ms per sample'
    unit = {'parameters': 'parameters', 'flops': 'FLOPs per sample', 'memory': 'bytes of memory'}[name]
    return f'{value:,.15g} {unit}'
