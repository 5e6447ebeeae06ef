"""What a sweep must know of a problem, in plain values that another process can be told.

So the process that sweeps need not load the problem, nor torch, if a process that does so anyway tells it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InvalidPoint
from ..points import NamedPoint, Point, label
from ..seeding import run_seed
from .problem import Problem

if TYPE_CHECKING:
    from .bench import Splits


@dataclass(frozen=True)
class ModelSignature:
    """How a problem's `model` is called.

    Attributes:
        problem: The problem's name.
        text: The signature as it is written.
        signature: Without defaults and annotations; None of a builtin that has none: calling it will tell.
    """

    problem: str
    text: str
    signature: inspect.Signature | None

    @classmethod
    def of(cls, problem: str, model: Callable[..., Any]) -> ModelSignature:
        """Returns the signature of `model`."""
        try:
            signature = inspect.signature(model)
        except (TypeError, ValueError):
            return cls(problem, '(...)', None)
        plain = [
            inspect.Parameter(p.name, p.kind, default=p.default if p.default is p.empty else ...)
            for p in signature.parameters.values()
        ]
        return cls(problem, str(signature), inspect.Signature(plain))

    def check_params(self, point: Point) -> None:
        """Raises `InvalidPoint` if `model` cannot be called with this point's parameters."""
        try:
            if self.signature is not None and isinstance(point, NamedPoint):
                self.signature.bind(**point)
            elif self.signature is not None:
                self.signature.bind(*point)
        except TypeError as error:
            raise InvalidPoint(
                f'model{self.text} of {self.problem!r} cannot take the parameters ({label(point)}): {error}'
            ) from None

    def parameter_names(self) -> list[str]:
        """The names of `model`'s positional parameters, in order; empty if they cannot be told."""
        parameters = self.signature.parameters.values() if self.signature is not None else ()
        return [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


@dataclass(frozen=True)
class ProblemFacts:
    """What a sweep must know of a problem that has been checked.

    Attributes:
        name: The module's.
        path: Its file; None if it has none.
        source: A fingerprint of what the problem is made of.
        signature: How `model` is called.
        train_size: Samples in the training set.
        device: The kind of device that will train, such as `cpu`.
    """

    name: str
    path: str | None
    source: str | None
    signature: ModelSignature
    train_size: int
    device: str


def check(problem: Problem, seed: int, device: str) -> tuple[ProblemFacts, Splits]:
    """Checks a problem and a device before anything is trained.

    Args:
        problem: Loaded.
        seed: The sweep's.
        device: As `sweep` takes it.

    Returns:
        What to know, and the problem's data on the CPU.

    Raises:
        ProblemError: Something is wrong with the problem.
        InvalidArgument: There is no such device.
    """
    from .checks import check_problem
    from .device import check_device, resolve_device

    check_device(device)
    splits = check_problem(problem, run_seed(seed, 'dataset', 0))
    signature = ModelSignature.of(problem.name, problem.build_model)
    kind = resolve_device(device, 0).type
    source = problem.fingerprint()
    return ProblemFacts(problem.name, problem.path, source, signature, len(splits.train), kind), splits
