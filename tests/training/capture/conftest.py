"""Graphs on the CPU, which keep the rules of CUDA graphs."""

import pytest
import torch

from sweeper.training.capture.graphs import WARM_UPS
from sweeper.training.dispatch import OperatorMode

READS = ('_local_scalar_dense', 'equal', 'is_nonzero')


class FakeGraph:
    """The operators of some work, asked for again with the same memory and the same numbers.

    As in a CUDA graph, Python does not run again, what was a number stays what it was, and what an operator
    gave lies in the same place in every replay.
    """

    def __init__(self, backend, calls):
        self._backend, self._calls = backend, calls

    @torch.no_grad()
    def replay(self):
        self._backend.replays += 1
        for func, args, kwargs, output, is_inference in self._calls:
            with torch.inference_mode(is_inference):
                for new, old in zip(_tensors(func(*args, **kwargs)), _tensors(output), strict=True):
                    if new.untyped_storage().data_ptr() != old.untyped_storage().data_ptr():
                        old.copy_(new)


class FakeGraphs:
    """Makes such graphs; reading a number meanwhile is an error, as it is on a GPU."""

    def __init__(self):
        self.captures = self.replays = 0

    def capture(self, work, neighbour=None):
        assert neighbour is None or isinstance(neighbour, FakeGraph)
        for _ in range(WARM_UPS):
            work()
        self.captures += 1
        with _Recorder() as recorder:
            work()
        return FakeGraph(self, recorder.calls)


class _Recorder(OperatorMode):
    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket.__name__ in READS:
            raise RuntimeError('operation not permitted when stream is capturing')
        output = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, output, torch.is_inference_mode_enabled()))
        return output


def _tensors(tree):
    if isinstance(tree, torch.Tensor):
        return [tree]
    return [tensor for part in tree for tensor in _tensors(part)] if isinstance(tree, tuple | list) else []


@pytest.fixture
def fake_graphs():
    return FakeGraphs()
