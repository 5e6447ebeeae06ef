"""Makes steps of what was recorded: by torch's interpreter, or by graphs where the device has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch

from ..steps import CapturedGradientStep, CapturedStep, Replay
from .graphed import GraphedGradientStep, GraphedStep, StepGraphs
from .graphs import GraphBackend
from .learner import Learner
from .recording import Recording
from .script import Script, compiled
from .updates import UpdateRule


def compiled_replays(
    recordings: Mapping[int, Recording],
    rules: Sequence[UpdateRule] | None,
    learner: Learner,
    in_lanes: bool = False,
) -> dict[int, Replay]:
    """Compiles recordings, by batch size; the arguments are as for `Script`."""
    replays = {}
    averaging = None if learner.average is None else learner.average.averaging()
    for size, recording in recordings.items():
        script = Script(recording, rules, learner.measures_perf, in_lanes, learner.clip_norm, averaging)
        replays[size] = Replay(compiled(script.source), script.tensors)
    return replays


def step_maker(
    recordings: Mapping[int, Recording],
    parameters: Sequence[torch.Tensor],
    rules: Sequence[UpdateRule],
    learner: Learner,
    graphs: GraphBackend | None = None,
    in_lanes: bool = False,
) -> Callable[[], CapturedStep]:
    """Returns what makes steps that train from the beginning, the optimizer's state being 0; one at a time.

    Args:
        recordings: By batch size.
        parameters: Those that are updated.
        rules: How, one for each.
        learner: What is trained; of several in lanes, the first.
        graphs: Makes graphs of them, if given.
        in_lanes: As for `Script`.
    """
    if graphs is not None:
        replays = compiled_replays(recordings, None, learner, in_lanes)
        of_device = StepGraphs(graphs, recordings, replays, parameters, rules, learner, in_lanes)

        def make_graphed() -> CapturedStep:
            of_device.reset()
            return GraphedStep(of_device, learner)

        return make_graphed
    replays = compiled_replays(recordings, rules, learner, in_lanes)

    def make() -> CapturedStep:
        states = [
            torch.zeros_like(parameter, requires_grad=False)
            for parameter, rule in zip(parameters, rules, strict=True)
            for _ in range(rule.states)
        ]
        return CapturedStep(replays, states, learner.split, learner.measures_perf)

    return make


def gradient_step_maker(
    recordings: Mapping[int, Recording],
    parameters: Sequence[torch.Tensor],
    learner: Learner,
    graphs: GraphBackend | None = None,
) -> Callable[[], CapturedGradientStep]:
    """Returns what makes steps whose update is by an optimizer of their own; the arguments are as before."""
    replays = compiled_replays(recordings, None, learner)
    if graphs is not None:
        of_device = StepGraphs(graphs, recordings, replays, parameters, None, learner)
        return lambda: GraphedGradientStep(of_device, parameters, learner)

    return lambda: CapturedGradientStep(replays, parameters, *learner.of_gradient_step())
