"""The problem: what the user's module says, and how it takes a point."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..errors import ProblemError
from ..points import NamedPoint, Point, label
from .fingerprint import fingerprint_of
from .parameters import ProblemParameters, parameters_of
from .reference import ProblemReference, load_module
from .sources import ProblemSources, read_sources

if TYPE_CHECKING:
    import torch

ACCURACY_STYLES = ('classification', 'multiclass', 'inv-loss')
REQUIRED = ('model', 'dataset', 'loss', 'accuracy_style')


@dataclass(frozen=True)
class Problem:
    """What the user's module says, loaded and checked for presence and kind.

    Attributes:
        name: The module's name, for messages.
        build_model: `model`, called with one argument per parameter of a point.
        build_criterion: `loss`.
        accuracy_style: One of `ACCURACY_STYLES`.
        load_datasets: `dataset`.
        build_optimizer: `optimizer`, or None for plain SGD.
        path: The module's file; None if it has none.
        package: The package that the module is in, or ''.
        module: What the module is called where it is loaded, or ''.
        threshold: With `multiclass`, the output above which a label is predicted; None: the loss tells.
    """

    name: str
    build_model: Callable[..., torch.nn.Module]
    build_criterion: Callable[[], Callable[..., torch.Tensor]]
    accuracy_style: str
    load_datasets: Callable[[], Any]
    build_optimizer: Callable[[Any, float], torch.optim.Optimizer] | None
    path: str | None = None
    package: str = ''
    module: str = ''
    threshold: float | None = None

    @cached_property
    def sources(self) -> ProblemSources | None:
        """What the problem is made of; None without a file."""
        return None if self.path is None else read_sources(Path(self.path), self.package)

    def fingerprint(self) -> str | None:
        """Returns a digest of what the problem is made of, to notice that it changed; None without a file."""
        return None if self.sources is None else fingerprint_of(self.sources)

    @cached_property
    def parameters(self) -> ProblemParameters:
        """What of it can be swept.

        Raises:
            DeclarationError: A parameter is not declared as it must be.
        """
        return parameters_of(self.name, self.build_model, self.sources)

    @contextmanager
    def using(self, point: Point, nuisance: Mapping[str, Any]) -> Iterator[Callable[[], list[str]]]:
        """Gives declared parameters their values for a run of `point`; later they have those from before.

        Meanwhile all that the problem declares counts as parsed: what reads a name need not give its default.

        Args:
            point: The architecture.
            nuisance: Values of nuisance parameters.

        Yields:
            A function that returns which of these values nobody has asked for yet.
        """
        declared = self.parameters.declared
        if declared is None:
            yield list
            return
        from ..declare.registry import manager

        own = self.parameters.split(point)[1] if isinstance(point, NamedPoint) else {}
        values = declared.as_read({**own, **nuisance})
        with ExitStack() as stack:
            managers = [
                stack.enter_context(manager(name).using(values.get(name, {}), nodes))
                for name, nodes in declared.by_manager.items()
            ]
            yield lambda: sorted(name for one in managers for name in one.unread())

    def model(self, point: Point) -> torch.nn.Module:
        """Returns a fresh model for `point`, initialised from torch's current random state.

        What the code declares must have its values: see `using`.
        """
        import torch

        if isinstance(point, NamedPoint):
            model = self.build_model(**self.parameters.split(point)[0])
        else:
            model = self.build_model(*point)
        if not isinstance(model, torch.nn.Module):
            raise TypeError(
                f'model({label(point)}) returned {model!r} ({type(model).__name__}), not a torch.nn.Module'
            )
        return model


def load_problem(reference: ProblemReference, *, in_worker: bool = False) -> Problem:
    """Loads the user's module and checks that everything required is there.

    Raises:
        ProblemError: It cannot be imported, or an attribute is missing or of the wrong kind.
    """
    module = load_module(reference, in_worker=in_worker)
    missing = [name for name in REQUIRED if not hasattr(module, name)]
    if missing:
        raise ProblemError(
            f'the problem {str(reference)!r} has no {", ".join(missing)}; '
            f'a problem is a module with {", ".join(REQUIRED)} (and, if it likes, optimizer)'
        )
    for name in ('model', 'dataset', 'loss', 'optimizer'):
        value = getattr(module, name, None)
        if value is not None and not callable(value):
            raise ProblemError(f'{name} of {str(reference)!r} must be callable; got {value!r}')
    style = module.accuracy_style
    if style not in ACCURACY_STYLES:
        raise ProblemError(
            f'accuracy_style of {str(reference)!r} is {style!r}; valid are {", ".join(ACCURACY_STYLES)}'
        )
    threshold = getattr(module, 'threshold', None)
    is_number = isinstance(threshold, int | float) and not isinstance(threshold, bool)
    if style == 'multiclass' and threshold is not None and not (is_number and math.isfinite(threshold)):
        raise ProblemError(
            f'threshold of {str(reference)!r} is {threshold!r}; it must be a number, such as 0.5 for '
            f'probabilities or 0.0 for logits'
        )
    file = getattr(module, '__file__', None)
    return Problem(
        name=reference.name,
        build_model=module.model,
        build_criterion=module.loss,
        accuracy_style=style,
        load_datasets=module.dataset,
        build_optimizer=getattr(module, 'optimizer', None),
        path=file and str(Path(file).resolve()),
        package=_package_of(module),
        module=_module_name(module),
        threshold=threshold if style == 'multiclass' else None,
    )


def _module_name(module: Any) -> str:
    """What the module is called where it is loaded; of another object, the module of its `model`."""
    if isinstance(module, ModuleType):
        return module.__name__
    return str(getattr(module.model, '__module__', ''))


def _package_of(module: ModuleType) -> str:
    spec = getattr(module, '__spec__', None)
    return (spec.parent or '') if spec is not None else ''
