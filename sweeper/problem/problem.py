"""The problem: what the user's module says, and how it takes a point."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..errors import ProblemError
from ..frozen import freeze, thaw
from ..metric import Metric, MetricInfo
from ..points import NamedPoint, Point, label, value_to_text
from .fingerprint import fingerprint_of
from .metrics import metrics_of, metrics_of_style, style_of
from .options import SCHEDULES, is_finite_number, options_of
from .parameters import FixedParameter, ProblemParameters, parameters_of
from .presets import Presets, in_force, unpacked
from .reference import ProblemReference, load_module
from .sources import ProblemSources, read_sources
from .unread import similar, unread

if TYPE_CHECKING:
    import torch

_READ = '__sweeper_read__'  # of a problem's module: the names that it read when it was imported
REQUIRED = ('model', 'dataset', 'loss', 'accuracy_style')
OPTIONAL = (
    'metrics', 'optimizer', 'step', 'predict', 'schedule', 'clip_norm', 'accumulate', 'ema', 'precision',
    'channels_last', 'deterministic', 'callbacks', 'attach', 'train', 'groups', 'constraint',
)  # fmt: skip
_FUNCTIONS = (
    'model', 'dataset', 'loss', 'optimizer', 'step', 'predict', 'callbacks', 'attach', 'groups', 'constraint',
)  # fmt: skip

_NUMERIC = ('clip_norm', 'accumulate', 'ema', 'precision', 'channels_last', 'deterministic')


@dataclass(frozen=True)
class Problem:
    """What the user's module says, loaded and checked for presence and kind.

    Attributes:
        name: The module's name, for messages.
        build_model: `model`, called with one argument per parameter of a point.
        build_criterion: `loss`; None if the problem has a `step` and no `loss`.
        accuracy_style: One of `ACCURACY_STYLES`, by which each step can measure the objective; None if only a
            whole split can.
        load_datasets: `dataset`; None if the problem trains by its own loop and has no data.
        build_optimizer: `optimizer`, or None for plain SGD.
        path: The module's file; None if it has none.
        package: The package that the module is in, or ''.
        module: What the module is called where it is loaded, or ''.
        threshold: With `multiclass`, the output above which a label is predicted; None: the loss tells.
        presets: Values of declared parameters, by manager, that hold unless a point says otherwise.
        read_by_dataset: The names that `dataset()` has read.
        read_on_import: The names that were read while the module was imported, as far as that is known.
        attach: Adds handlers to the engine of a run, or None.
        callbacks: Returns the callbacks of a run, or None.
        train: The problem's own training loop, `train(run)`, or None.
        samples: How many samples, such as episodes, an epoch has if there is no data.
        schedule: The learning rates of a training: one of `SCHEDULES`, or a function of progress in [0, 1]
            that gives a factor of the tuned rate.
        clip_norm: The largest norm of the gradient; None for any.
        accumulate: In how many parts a batch is processed before its update.
        ema: The decay of the moving average of weights that is evaluated in the model's place, or None.
        precision: One of `PRECISIONS`; None for the model's own precision, and torch's settings as they are.
        channels_last: Whether the numbers of images and filters lie in memory with the channels last; None:
            as is known to be faster.
        deterministic: Whether torch may use deterministic algorithms only.
        step: `step(model, batch)`, which returns the loss to minimise; None for the criterion of what the
            model makes of a batch's inputs.
        metrics: What models are measured by, by name; the first is the objective, by which they are compared.
            By default that is the accuracy style alone.
        predict: `predict(model, batch)`: what is scored; None for what the model makes of a batch's inputs.
        groups: Returns the group of each sample, training samples first, which resampling keeps together; or
            None.
        constraint: `constraint(model)`: whether a model that is built may be trained, or None.
        unread: What it says and nobody would read, and what may be meant; a sentence each.
    """

    name: str
    build_model: Callable[..., torch.nn.Module]
    build_criterion: Callable[[], Callable[..., torch.Tensor]] | None
    accuracy_style: str | None
    load_datasets: Callable[[], Any] | None
    build_optimizer: Callable[[Any, float], torch.optim.Optimizer] | None
    path: str | None = None
    package: str = ''
    module: str = ''
    threshold: float | None = None
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    read_by_dataset: set[str] = field(default_factory=set, compare=False)
    read_on_import: Collection[str] = ()
    step: Callable[[torch.nn.Module, Any], torch.Tensor] | None = None
    predict: Callable[[torch.nn.Module, Any], Any] | None = None
    attach: Callable[[Any, Any], object] | None = None
    callbacks: Callable[[], Any] | None = None
    train: Callable[[Any], object] | None = None
    samples: int = 100
    groups: Callable[[], Any] | None = None
    constraint: Callable[[torch.nn.Module], object] | None = None
    schedule: str | Callable[[float], float] = SCHEDULES[0]
    clip_norm: float | None = None
    accumulate: int = 1
    ema: float | None = None
    precision: str | None = None
    channels_last: bool | None = None
    deterministic: bool = False
    unread: Sequence[str] = field(default=(), compare=False)
    metrics: Mapping[str, Metric] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.metrics:
            object.__setattr__(self, 'metrics', metrics_of_style(self.accuracy_style, self.name))

    @property
    def has_handlers(self) -> bool:
        """Whether it takes part in its runs, by `attach` or by callbacks."""
        return self.attach is not None or self.callbacks is not None

    @property
    def needs_outputs(self) -> bool:
        """Whether a metric looks at more than the loss."""
        return any(metric.needs_outputs for metric in self.metrics.values())

    @property
    def objective(self) -> MetricInfo:
        """What models are compared by."""
        return next(iter(self.metrics.values())).info

    @property
    def training_options(self) -> dict[str, str | float]:
        """How its trainings differ from plain ones, as `final.json` has it."""
        options: dict[str, str | float] = {}
        if self.schedule != SCHEDULES[0]:
            own = getattr(self.schedule, '__qualname__', type(self.schedule).__name__)
            options['schedule'] = self.schedule if isinstance(self.schedule, str) else f'{own}()'
        for name in _NUMERIC:
            if (value := getattr(self, name)) != getattr(Problem, name):  # which is the default
                options[name] = value
        return options

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
    def using(self, point: Point, nuisance: Mapping[str, Any]) -> Iterator[Callable[[], set[str]]]:
        """Gives declared parameters their values for a run of `point`; later they have those from before.

        Meanwhile all that the problem declares counts as parsed: what reads a name need not give its default.

        Args:
            point: The architecture.
            nuisance: Values of nuisance parameters.

        Yields:
            A function that returns the names that have been read so far.
        """
        declared = self.parameters.declared
        if declared is None:
            yield set
            return
        from ..declare.registry import manager

        own = self.parameters.split(point)[1] if isinstance(point, NamedPoint) else {}
        values = declared.as_read({**own, **nuisance})
        with ExitStack() as stack:
            for name, nodes in declared.by_manager.items():
                given = {**self.presets.get(name, {}), **values.get(name, {})}
                stack.enter_context(manager(name).using(given, nodes))
            yield lambda: {
                name for placeholder in declared.by_manager for name in manager(placeholder).names_read()
            }

    @contextmanager
    def preparing(self) -> Iterator[Callable[[], set[str]]]:
        """Gives declared parameters the values that all points have, while data is loaded.

        Unlike with `using`, defaults that the code computes meanwhile stay for the runs.

        Yields:
            A function that returns the names that were read meanwhile.
        """
        declared = self.parameters.declared
        if declared is None:
            yield set
            return
        from ..declare.registry import manager

        with ExitStack() as stack:
            for name, nodes in declared.by_manager.items():
                stack.enter_context(manager(name).holding(self.presets.get(name, {}), nodes))
            yield lambda: {
                name for placeholder in declared.by_manager for name in manager(placeholder).names_read()
            }

    def datasets(self) -> Any:
        """Calls `dataset()`, with the values that all points have, and notes what it reads."""
        with self.preparing() as read:
            datasets = self.load_datasets() if self.load_datasets is not None else None
            self.read_by_dataset.update(read())
        return datasets

    def fixed_parameters(self) -> dict[str, FixedParameter]:
        """Returns what of the declared parameters has been read before any run, once for all points."""
        declared = self.parameters.declared
        if declared is None:
            return {}
        from ..declare.registry import manager

        read = {**dict.fromkeys(self.read_by_dataset, False), **dict.fromkeys(self.read_on_import, True)}
        fixed = {}
        with self.preparing():
            for name, on_import in read.items():
                if name in declared.nodes:
                    value = manager(declared.managers[name]).get_value(name, raise_exception=False)
                    where = 'the import of its module' if on_import else 'dataset()'
                    fixed[name] = FixedParameter(_as_in_a_point(value), where, on_import)
        return fixed

    def model(self, point: Point) -> torch.nn.Module:
        """Returns a fresh model for `point`, initialised from torch's current random state.

        What the code declares must have its values: see `using`.
        """
        import torch

        if isinstance(point, NamedPoint):
            arguments = self.parameters.split(point)[0]
            model = self.build_model(**{name: thaw(value) for name, value in arguments.items()})
        else:
            model = self.build_model(*map(thaw, point))
        if not isinstance(model, torch.nn.Module):
            raise TypeError(
                f'model({label(point)}) returned {model!r} ({type(model).__name__}), not a torch.nn.Module'
            )
        return model


def load_problem(
    reference: ProblemReference, *, in_worker: bool = False, presets: Presets | None = None
) -> Problem:
    """Loads the user's module and checks that everything required is there.

    Args:
        reference: Where it is.
        in_worker: This process is a worker.
        presets: Values of declared parameters, in force from the import on.

    Raises:
        ProblemError: It cannot be imported, or an attribute is missing or of the wrong kind.
    """
    with in_force(unpacked(presets or {}, as_far_as_possible=True)) as read:
        module = load_module(reference, in_worker=in_worker)
    if reference.given is None:
        vars(module).setdefault(_READ, frozenset(read))
    names = _names_of(module)
    own_step = getattr(names, 'step', None)
    train = _own_loop(names)
    is_without_data = train is not None and not hasattr(names, 'dataset')
    optional = {'loss'} if own_step is not None else set()
    if getattr(names, 'metrics', None) is not None:
        optional.add('accuracy_style')
    required = ['model'] if is_without_data else [name for name in REQUIRED if name not in optional]
    missing = [name for name in required if not hasattr(names, name)]
    if missing:
        raise ProblemError(
            f'the problem {reference} has no '
            f'{", ".join(name + similar(name, dir(module)) for name in missing)}; '
            f'a problem is a module with {", ".join(REQUIRED)} (and, optionally, {", ".join(OPTIONAL)})'
        )
    for name in _FUNCTIONS:
        value = getattr(names, name, None)
        if value is not None and not callable(value):
            raise ProblemError(f'{name} of {str(reference)!r} must be callable; got {value!r}')
    metrics = metrics_of(names, str(reference), is_without_data)
    style = style_of(next(iter(metrics.values())))
    threshold = getattr(names, 'threshold', None)
    if style == 'multiclass' and threshold is not None and not is_finite_number(threshold):
        raise ProblemError(
            f'threshold of {str(reference)!r} is {threshold!r}; it must be a number, such as 0.5 for '
            f'probabilities or 0.0 for logits'
        )
    samples = getattr(names, 'samples', 100) if is_without_data else 100
    if not isinstance(samples, int) or isinstance(samples, bool) or samples < 1:
        raise ProblemError(
            f'samples of {str(reference)!r} is {samples!r}; it must be how many samples (episodes, say) an '
            f'epoch has, a whole number of at least 1'
        )
    file = getattr(module, '__file__', None)
    return Problem(
        name=reference.name,
        build_model=names.model,
        build_criterion=getattr(names, 'loss', None),
        metrics=metrics,
        accuracy_style=style,
        load_datasets=getattr(names, 'dataset', None),
        build_optimizer=getattr(names, 'optimizer', None),
        path=file and str(Path(file).resolve()),
        package=_package_of(module),
        module=_module_name(module, names.model),
        threshold=threshold if style == 'multiclass' else None,
        presets=unpacked(presets or {}),
        read_on_import=getattr(module, _READ, ()),
        attach=getattr(names, 'attach', None),
        callbacks=getattr(names, 'callbacks', None),
        train=train,
        samples=samples,
        groups=getattr(names, 'groups', None),
        constraint=getattr(names, 'constraint', None),
        **options_of(names, str(reference)),
        step=own_step,
        predict=getattr(names, 'predict', None),
        unread=unread(module, names, style, is_without_data),
    )


def _own_loop(module: Any) -> Callable[[Any], object] | None:
    """The module's `train`, if it takes a run; scripts have others, and may import ours."""
    train = getattr(module, 'train', None)
    if (
        train is None
        or str(getattr(train, '__module__', '')).partition('.')[0] == __package__.partition('.')[0]
    ):
        return None
    try:
        signature = inspect.signature(train)
        if [*signature.parameters][:1] != ['run']:
            signature.bind('run')
    except (TypeError, ValueError):
        return None
    return train  # type: ignore[no-any-return]


class _Names:
    """The names of a problem's module, before those of an object that it calls `problem`."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        if hasattr(self._module, name):
            return getattr(self._module, name)
        if name == 'accuracy_style' and hasattr(self._module, 'metrics'):  # which take its place
            raise AttributeError(name)
        return getattr(self._module.problem, name)


def _names_of(module: Any) -> Any:
    """What has the names of a problem: its module, or an object in it, made by an adapter."""
    has_both = hasattr(module, 'model') and not hasattr(getattr(module, 'problem', None), 'model')
    return _Names(module) if hasattr(module, 'problem') and not has_both else module


def _module_name(module: Any, model: object) -> str:
    """What the module is called where it is loaded; of another object, the module of its `model`."""
    if isinstance(module, ModuleType):
        return module.__name__
    return str(getattr(model, '__module__', ''))


def _package_of(module: ModuleType) -> str:
    spec = getattr(module, '__spec__', None)
    return (spec.parent or '') if spec is not None else ''


def _as_in_a_point(value: Any) -> Any:
    """Returns a value as points have it, or its text if they cannot."""
    try:
        frozen = freeze(value)
        value_to_text(frozen)
        hash(frozen)
    except (TypeError, ValueError):
        return repr(value)
    return frozen
