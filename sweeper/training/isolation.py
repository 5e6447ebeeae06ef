"""Keeps what one architecture does to torch's global switches away from the next."""

from __future__ import annotations

from typing import Any

import torch


def torch_switches() -> dict[str, Any]:
    """Returns torch's process-wide switches that change what a training computes."""
    return {
        'dtype': torch.get_default_dtype(),
        'device': torch.get_default_device(),
        'grad': torch.is_grad_enabled(),
        'threads': torch.get_num_threads(),
        'anomaly': torch.is_anomaly_enabled(),
        'deterministic': (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        'precision': torch.get_float32_matmul_precision(),
        'cudnn': (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
    }


def set_torch_switches(switches: dict[str, Any]) -> None:
    """Sets the switches as `torch_switches` returned them."""
    if switches == torch_switches():
        return
    torch.set_default_dtype(switches['dtype'])
    # None, not 'cpu', is torch's own state: any named device slows every call down
    torch.set_default_device(None if switches['device'].type == 'cpu' else switches['device'])
    torch.set_grad_enabled(switches['grad'])
    torch.set_num_threads(switches['threads'])
    torch.autograd.set_detect_anomaly(switches['anomaly'])
    enabled, warn_only = switches['deterministic']
    torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
    torch.set_float32_matmul_precision(switches['precision'])
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = switches['cudnn']
