"""Captured steps as graphs of a device: a step is a single call, and what it needs is there.

Indices, learning rates and what else changes from step to step are put into the device's memory for up to
`CHUNK` steps at once. A graph takes what its step needs by a counter, which it moves on itself, and puts the
loss beside the others: nothing is copied, and nobody waits, between two steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from ...seeding import RandomStates
from ..data import InMemorySplit, leaves
from ..length import CHUNK
from ..objective import tensors_of
from ..steps import CapturedGradientStep, CapturedStep, Feed, Replay, as_it_is
from ..transfer import all_onto, onto
from .device_updates import DeviceUpdate, Number, Tensors, clipped
from .graphs import Graph, GraphBackend
from .learner import Learner
from .recording import OUT_OF_MEMORY, NotCapturable, Recording
from .updates import UpdateRule
from .verification import copies, restore


class GraphedStep(CapturedStep):
    """Trains by graphs of the whole step, the update among them."""

    def __init__(self, graphs: StepGraphs, learner: Learner) -> None:
        super().__init__({}, graphs.states, learner.split, learner.measures_perf)
        self._graphs = graphs

    def replay(self, feed: Feed, lrs: list[float]) -> tuple[torch.Tensor, torch.Tensor]:
        parts = [
            self._graphs.run(feed.part(start, start + CHUNK), lrs[start : start + CHUNK], self._done + start)
            for start in range(0, len(lrs), CHUNK)
        ]
        losses, perfs = zip(*parts, strict=True)
        return torch.cat(losses), torch.cat(perfs)


class GraphedGradientStep(CapturedGradientStep):
    """Trains by graphs of the gradients, with an update by the optimizer itself."""

    def __init__(self, graphs: StepGraphs, parameters: Sequence[torch.Tensor], learner: Learner) -> None:
        super().__init__({}, parameters, *learner.of_gradient_step())
        self._graphs = graphs

    def replay(self, feed: Feed) -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
        losses, perfs = self._graphs.run(feed, [0.0], 0)
        return self._graphs.gradients, losses[0], perfs[0]


@dataclass
class _Group:
    """Parameters of one type that are updated alike: where they are among all, and their optimizer state."""

    update: DeviceUpdate
    places: list[int]
    parameters: Tensors
    states: list[Tensors]
    numbers: range


class StepGraphs:
    """The graphs of a step, by batch size.

    Args:
        backend: Makes them.
        recordings: By batch size.
        replays: The same, ready to give gradients.
        parameters: Those that the gradients are for.
        rules: How they are updated; None: gradients are given out, and nothing is updated.
        learner: What is trained; of several in lanes, the first.
        in_lanes: Parameters and batches have one more dimension, the lane.

    Attributes:
        states: The optimizer's state tensors, in the order of the parameters and of each rule's names.
        gradients: Of the latest step, if they are given out; the next one overwrites them.
    """

    def __init__(
        self,
        backend: GraphBackend,
        recordings: Mapping[int, Recording],
        replays: Mapping[int, Replay],
        parameters: Sequence[torch.Tensor],
        rules: Sequence[UpdateRule] | None,
        learner: Learner,
        in_lanes: bool = False,
    ) -> None:
        self.parameters = [parameter.detach() for parameter in parameters]
        self.states: list[torch.Tensor] = []
        self.gradients: list[torch.Tensor] = []
        self._backend, self._replays = backend, replays
        self._learner, self._in_lanes = learner, in_lanes
        self._is_updating = rules is not None
        self._numbers: list[Number] = []
        self._groups = self._grouped(rules or ())
        self._averaging = None
        if rules is not None and learner.average is not None:
            self._averaging = learner.average.averaging()
        if self._averaging is not None:
            weight = self._averaging.weight
            self._numbers.append(lambda _, step: weight if step else 1.0)  # at first it is copied
        self._trained = [*tensors_of(learner.model, *learner.objective.modules), *learner.averages]
        # of the recordings nothing else is kept: with them would be all that their backward pass needs
        self._measured = {size: _examples(recording, learner) for size, recording in recordings.items()}
        self._captured: dict[int, _Steps] = {}

    def _grouped(self, rules: Sequence[UpdateRule]) -> list[_Group]:
        groups: dict[tuple[DeviceUpdate, torch.dtype], _Group] = {}
        for place, (parameter, rule) in enumerate(zip(self.parameters, rules, strict=False)):
            states = [torch.zeros_like(parameter) for _ in rule.names]
            self.states += states
            if rule.on_device is None:
                continue
            key = rule.on_device, parameter.dtype
            if key not in groups:
                start = len(self._numbers)
                self._numbers += rule.on_device.numbers
                numbers = range(start, len(self._numbers))
                groups[key] = _Group(rule.on_device, [], [], [[] for _ in rule.names], numbers)
            group = groups[key]
            group.places.append(place)
            group.parameters.append(parameter)
            for tensors, state in zip(group.states, states, strict=True):
                tensors.append(state)
        return [*groups.values()]

    def reset(self) -> None:
        """Puts the optimizer's state back to what it is before the first step."""
        for state in self.states:
            state.zero_()

    def run(self, feed: Feed, lrs: Sequence[float], done: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Takes up to `CHUNK` steps.

        Args:
            feed: Their batches, all of one size.
            lrs: Their learning rates.
            done: How many steps there were before.

        Returns:
            Losses and performances, shape `(steps,)` or `(steps, lanes)`.

        Raises:
            NotCapturable: They cannot be captured.
        """
        numbers = [[number(lr, done + k) for number in self._numbers] for k, lr in enumerate(lrs)]
        size = feed.order[0].shape[-1]
        if size not in self._captured:
            self._captured[size] = self._capture(size, feed, numbers)
        steps, count = self._captured[size], len(lrs)
        steps.fill(feed, numbers)
        for _ in range(count):
            steps.graph.replay()
        self.gradients = steps.gradients
        if self._averaging is not None:
            self._averaging.steps.fill_(done + count)  # it is on the CPU, which graphs leave out
        for tensor in self._trained:  # as torch would, had it been asked itself
            torch.autograd.graph.increment_version(tensor)
        return steps.losses[:count].clone(), steps.perfs[:count].clone()

    def _capture(self, size: int, feed: Feed, numbers: list[list[float]]) -> _Steps:
        replay = self._replays[size]
        random_states = RandomStates()
        changed = [*replay.tensors, *self.states, *self._learner.averages]
        kept = copies(changed)
        neighbour = next((steps.graph for steps in self._captured.values()), None)
        try:
            steps = _Steps(self, replay, feed, self._measured[size])
            steps.fill(feed, numbers)
            steps.graph = self._backend.capture(steps.take_one, neighbour)
        except OUT_OF_MEMORY:
            raise
        except Exception as error:
            first, *_ = str(error).strip().splitlines() or ['']
            raise NotCapturable(f'capturing it as a graph raised {type(error).__name__}: {first}') from error
        finally:
            restore(changed, kept)
            random_states.restore_torch()
        return steps

    def finish(self, gradients: Tensors, numbers: torch.Tensor) -> None:
        """Updates everything by the gradients of a step.

        Args:
            gradients: In the order of the parameters.
            numbers: Those of the step, shape `(numbers,)`.
        """
        if self._learner.clip_norm is not None:
            gradients = clipped(gradients, self._learner.clip_norm, self._in_lanes)
        by_type: dict[torch.dtype, tuple[torch.Tensor, ...]] = {}

        def of_type(dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
            if dtype not in by_type:
                by_type[dtype] = numbers.to(dtype).unbind()
            return by_type[dtype]

        for group in self._groups:
            own = [gradients[place] for place in group.places]
            scalars = of_type(group.parameters[0].dtype)
            group.update.apply(group.parameters, own, group.states, [scalars[k] for k in group.numbers])
        if self._averaging is not None:
            for average, tensor in self._averaging.averaged:
                average.detach().lerp_(tensor.detach(), of_type(average.dtype)[-1])
            for average, tensor in self._averaging.copied:
                average.copy_(tensor)

    @property
    def is_updating(self) -> bool:
        """Whether steps update, or only give out gradients."""
        return self._is_updating

    @property
    def holds_data(self) -> bool:
        """Whether batches are taken from data on the device, by index."""
        split = self._learner.split
        return isinstance(split, InMemorySplit) and split.is_resident

    @property
    def number_count(self) -> int:
        """How many numbers a step takes."""
        return len(self._numbers)


def _examples(recording: Recording, learner: Learner) -> list[torch.Tensor]:
    """What a step measures, as tensors like it: the loss and the performance, or the loss twice."""
    measured = recording.loss, recording.perf if learner.measures_perf else recording.loss
    return [torch.zeros_like(value, requires_grad=False) for value in measured]


class _Steps:
    """Steps at one batch size: all that they read and write, which stays where it is.

    Attributes:
        losses: Of up to `CHUNK` steps, in their order.
        perfs: The same of performances.
        gradients: Of the latest step, if they are given out.
        graph: Takes a step.
    """

    graph: Graph

    def __init__(
        self, owner: StepGraphs, replay: Replay, feed: Feed, measured: Sequence[torch.Tensor]
    ) -> None:
        self._owner, self._replay = owner, replay
        given, (first, *_) = [*leaves(feed.data)], feed.order
        self._data = given if owner.holds_data else [torch.empty_like(tensor) for tensor in given]
        device = given[0].device
        self._order = torch.zeros(CHUNK, *first.shape, dtype=first.dtype, device=device)
        self._numbers = torch.zeros(CHUNK, owner.number_count, dtype=torch.float64, device=device)
        self._place = torch.zeros(1, dtype=torch.long, device=device)
        self.losses, self.perfs = (
            torch.zeros(CHUNK, *tensor.shape, dtype=tensor.dtype, device=device) for tensor in measured
        )
        self.gradients: list[torch.Tensor] = []

    def fill(self, feed: Feed, numbers: list[list[float]]) -> None:
        """Says which steps come next."""
        device = self._place.device
        if not self._owner.holds_data:
            for own, tensor in zip(self._data, leaves(feed.data), strict=True):
                own.copy_(tensor)
        order = torch.stack([*all_onto(feed.order, device)])
        self._order[: len(order)].copy_(order)
        if self._owner.number_count:
            rows = torch.tensor(numbers, dtype=torch.float64)
            self._numbers[: len(rows)].copy_(onto(rows, device))
        self._place.zero_()

    def take_one(self) -> None:
        """Takes the next step: the work that is captured."""
        if self._owner.is_updating:
            with self._replay.inference_mode(), torch.enable_grad(), as_it_is():
                self._finish(*self._measure())
        else:
            with torch.enable_grad(), as_it_is():
                self.gradients = self._finish(*self._measure())

    def _measure(self) -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
        indices = self._order.index_select(0, self._place).squeeze(0)
        gradients, loss, perf = self._replay.function(self._replay.tensors, self._data, [indices])
        return gradients, loss, perf

    def _finish(
        self, gradients: list[torch.Tensor], loss: torch.Tensor, perf: torch.Tensor
    ) -> list[torch.Tensor]:
        if self._owner.is_updating:
            self._owner.finish(gradients, self._numbers.index_select(0, self._place).squeeze(0))
        for own, value in ((self.losses, loss), (self.perfs, perf)):
            own.index_copy_(0, self._place, value.detach().unsqueeze(0))
        self._place.add_(1)
        return gradients
