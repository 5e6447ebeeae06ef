"""`constraints.json`: the limits of a sweep, and the points that were not trained because of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..io.checksums import read_sealed
from ..io.files import AtomicWriter
from ..points import NamedPoint, Point, value_from_text, value_to_text
from .damage import DamagedFile
from .layout import SweepLayout


@dataclass(frozen=True)
class Rejections:
    """Points that were not trained, and why.

    Attributes:
        limits: What a point's model may have at most, by name.
        source: A fingerprint of the problem that they are of; None if it has none.
        reasons: Of each point that was rejected, in the order proposed.
    """

    limits: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None
    reasons: Mapping[Point, str] = field(default_factory=dict)

    def is_of(self, other: Rejections) -> bool:
        """Whether they are rejections by the same limits, of the same problem."""
        return (self.limits, self.source) == (other.limits, other.source)


def read_rejections(layout: SweepLayout) -> Rejections:
    """Reads what `write_rejections` wrote; nothing is rejected if it is not there.

    Raises:
        DamagedFile: It cannot be understood.
    """
    path = layout.constraints
    try:
        data = read_sealed(path)
        reasons = {_point(entry['params']): str(entry['reason']) for entry in data['rejected']}
        return Rejections(dict(data['limits']), data['source'], reasons)
    except FileNotFoundError:
        return Rejections()
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise DamagedFile(path, error) from error


def write_rejections(layout: SweepLayout, writer: AtomicWriter, rejections: Rejections) -> None:
    """Writes all rejections of a sweep."""
    rejected = [{'params': _params(point), 'reason': why} for point, why in rejections.reasons.items()]
    writer.write_sealed(
        layout.constraints,
        {'limits': dict(rejections.limits), 'source': rejections.source, 'rejected': rejected},
    )


def _params(point: Point) -> dict[str, str] | list[str]:
    if isinstance(point, NamedPoint):
        return {name: value_to_text(value) for name, value in point.items()}
    return [value_to_text(value) for value in point]


def _point(params: Any) -> Point:
    if isinstance(params, dict):
        return NamedPoint({name: value_from_text(text) for name, text in params.items()})
    return tuple(value_from_text(text) for text in params)
