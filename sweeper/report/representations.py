"""What trained networks make of their data: the layers' activations, in three dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ProblemError
from ..points import Point, has_reference
from ..results import TrialResult
from ..seeding import random_states_kept, run_seed
from ..store.records import Records
from ..store.store import Store
from ..store.weights import best_trial, missing_weights
from ..text import reason
from .components import principal_components
from .reload import load_weights, reopened_workspace

if TYPE_CHECKING:
    import torch

    from ..training.workspace import Workspace

INPUT = 'input'
_LONGEST = 300


@dataclass(frozen=True, eq=False)
class LayerRepresentation:
    """What one layer makes of the samples.

    Attributes:
        name: As in `model.named_modules()`: `''` is the model itself; `input`, of the kind `data`, the data.
        kind: The name of the layer's class.
        calls: How often a forward pass calls it; the last call counts.
        shape: Of what it gives for a sample.
        coordinates: The first principal components, shape `(samples, 3)`. Zeros where there is no variance
            left; NaN of a sample for which the layer gives something that is not finite.
        explained: The share of the variance of each component, shape `(3,)`; zeros if there is no variance.
    """

    name: str
    kind: str
    calls: int
    shape: tuple[int, ...]
    coordinates: np.ndarray
    explained: np.ndarray


@dataclass(frozen=True)
class SkippedLayer:
    """A layer of which there is nothing to see, and why."""

    name: str
    kind: str
    reason: str


@dataclass(frozen=True, eq=False)
class Representation:
    """What the best trial of a point makes of the samples.

    Attributes:
        point: The architecture, as the store has it.
        trial: The trial's index.
        perf_val: Its validation performance.
        layers: The data first, then in the order in which the layers are first called.
        skipped: Layers of which there is nothing to see.
    """

    point: Point
    trial: int
    perf_val: float
    layers: tuple[LayerRepresentation, ...]
    skipped: tuple[SkippedLayer, ...]


@dataclass(frozen=True, eq=False)
class Representations:
    """What chosen points make of the same validation samples.

    Attributes:
        samples: Their indices in the validation split, rising.
        labels: What they are coloured by, shape `(samples,)`: the class; of several (`multiclass`) the first,
            -1 if there is none; for `inv-loss` the target, of several the first.
        are_classes: Whether labels are classes, not values on a scale.
        points: The points, as asked.
        failed: Points that cannot be looked into, and why.
    """

    samples: np.ndarray
    labels: np.ndarray
    are_classes: bool
    points: tuple[Representation, ...]
    failed: tuple[tuple[Point, str], ...]


def representations(
    store: Records, points: Sequence[Point], samples: int = 500, module_name: str | None = None
) -> Representations:
    """Looks into the best trial (by validation performance) of each of some points.

    Imports the problem's module, loads its data, and runs the trained networks on the CPU.

    Args:
        store: The sweep's folder.
        points: Which points of the store to look into.
        samples: How many validation samples at most; always the same ones.
        module_name: Where the problem is now, as for `sweep`; None if it is where it was.

    Raises:
        ProblemError: The problem is not there, or it changed since the sweep.
    """
    with random_states_kept(), reopened_workspace(store.manifest, module_name) as workspace:
        inputs, targets, chosen = _chosen(workspace, store.manifest.seed, samples)
        data = _data_layer(inputs)
        labels, are_classes = labels_of(targets.cpu().numpy(), workspace.problem.accuracy_style)
        resolved = _resolved(store)
        done, failed = [], []
        for point in points:
            try:
                done.append(_of_point(store, point, resolved.get(point, point), workspace, inputs, data))
            except _CannotLook as reason:
                failed.append((point, str(reason)))
    return Representations(chosen, labels, are_classes, tuple(done), tuple(failed))


class _CannotLook(Exception):
    """A point cannot be looked into; says why."""


def _of_point(
    store: Records,
    point: Point,
    resolved: Point,
    workspace: Workspace,
    inputs: object,
    data: LayerRepresentation,
) -> Representation:
    from ..training.activations import look_into
    from ..training.isolation import set_torch_switches, torch_switches

    trials, tuned = store.trials(point), store.tuned(point)
    if not trials:
        raise _CannotLook('it has no trial')
    if tuned is None:
        raise _CannotLook('what its tuning found is lost')
    best = best_trial(trials, store.manifest.objective)
    if (missing := missing_weights(store.manifest, store.files(point), trials, best)) is not None:
        raise _CannotLook(missing)
    if has_reference(resolved):
        raise _CannotLook('its parameters name something that the problem no longer has')
    switches = torch_switches()
    try:
        with workspace.problem.using(resolved, tuned.of_trial(best).nuisance):  # the forward pass may ask
            model = _trained(workspace, resolved, trials[best], store.files(point).trial(best).model)
            looks = look_into(model, inputs, principal_components)
    except Exception as error:
        said = ' '.join(reason(error).split())[:_LONGEST]
        raise _CannotLook(f'trial {best}: {type(error).__name__}: {said}') from error
    finally:
        set_torch_switches(switches)
    layers, skipped = [data], []
    for look in looks:
        if look.seen is None or look.shape is None:
            skipped.append(SkippedLayer(look.name, look.kind, look.reason or ''))
        elif np.isnan(look.seen[0]).all():
            skipped.append(SkippedLayer(look.name, look.kind, 'its output is not finite'))
        else:
            layers.append(LayerRepresentation(look.name, look.kind, look.calls, look.shape, *look.seen))
    return Representation(point, best, trials[best].perf_val, tuple(layers), tuple(skipped))


def _trained(workspace: Workspace, point: Point, trial: TrialResult, weights: Path) -> torch.nn.Module:
    model, _ = workspace.fresh_model(point, trial.seed)
    load_weights(model, weights)
    return model


def _resolved(store: Records) -> dict[Point, Point]:
    """The points with what was in the problem's module, which was not imported when the store was read."""
    if not any(map(has_reference, store.points)):
        return {point: point for point in store.points}
    return dict(zip(store.points, Store.read(store.layout.folder).points, strict=False))


# The samples


def _chosen(workspace: Workspace, seed: int, most: int) -> tuple[object, torch.Tensor, np.ndarray]:
    """Inputs and targets of some validation samples, and which these are."""
    import torch

    from ..training.data import leaves, pair_of

    val = workspace.splits.val
    order = torch.randperm(len(val), generator=torch.Generator().manual_seed(run_seed(seed, 'samples', 0)))
    try:
        first, _ = pair_of(val.batch(order[:1]))
    except TypeError as error:
        name = workspace.problem.name
        raise ProblemError(f'representations of {name!r} cannot be computed: {error}') from None
    others = {size for tensor in leaves(first) for size in tensor.shape[1:]}
    count = min(most, len(val))
    while count in others and count > 2:  # else a sequence of that length could be taken for the samples
        count -= 1
    indices = order[:count].sort().values
    inputs, targets = val.batch(indices)
    return inputs, targets, indices.numpy()


def _data_layer(inputs: object) -> LayerRepresentation:
    from ..training.activations import rows_of
    from ..training.data import leaves

    tensors = list(leaves(inputs))
    rows = np.concatenate([rows_of(tensor) for tensor in tensors], axis=1)
    shape = tuple(tensors[0].shape[1:]) if len(tensors) == 1 else (rows.shape[1],)
    return LayerRepresentation(INPUT, 'data', 1, shape, *principal_components(rows))


def labels_of(targets: np.ndarray, accuracy_style: str | None) -> tuple[np.ndarray, bool]:
    """Returns what samples are coloured by, shape `(samples,)`, and whether that is a class.

    Args:
        targets: The targets, shape `(samples, …)`.
        accuracy_style: The problem's accuracy style; if it has none, the targets tell what they are.
    """
    if accuracy_style is None and np.issubdtype(targets.dtype, np.floating):
        accuracy_style = 'multiclass' if np.isin(targets, (0, 1)).all() else 'inv-loss'
    if accuracy_style == 'inv-loss':
        values = targets.reshape(len(targets), -1)[:, 0]
        return values, not np.issubdtype(values.dtype, np.floating)
    if targets.ndim == 1:
        return targets, True
    is_set = targets > 0.5
    if accuracy_style == 'multiclass':
        is_set = is_set.reshape(len(targets), -1)
    elif not (np.isin(targets, (0, 1)).all() and (targets.sum(1) == 1).all()):
        return targets.reshape(len(targets), -1)[:, 0], True  # a class for each of several places
    first = np.where(is_set.any(1), is_set.argmax(1), -1)
    return first.reshape(len(targets), -1)[:, 0], True
