"""In which order the numbers of an image lie in memory."""

from __future__ import annotations

import torch

from .data import NoData, Split, inputs_of, leaves

_FEWEST_PIXELS = 256


def prefers_channels_last(model: torch.nn.Module, split: Split, device: torch.device) -> bool:
    """Whether convolutions over these images are faster with channels last; measured on CPUs only.

    With batch normalisation they are slower on small images.
    """
    if device.type != 'cpu' or not any(isinstance(module, torch.nn.Conv2d) for module in model.modules()):
        return False
    if isinstance(split, NoData):
        return False
    inputs = list(leaves(inputs_of(split.batch(torch.zeros(1, dtype=torch.long)))))
    pixels = max((tensor.shape[-1] * tensor.shape[-2] for tensor in inputs if tensor.ndim == 4), default=0)
    normalises = any(isinstance(module, torch.nn.BatchNorm2d) for module in model.modules())
    return pixels >= (_FEWEST_PIXELS if normalises else 1)
