"""Torch's global switches, which change what a training computes."""

from __future__ import annotations

import sys
from typing import Any

import torch


def torch_switches() -> dict[str, Any]:
    """Returns torch's process-wide switches that change what a training computes."""
    return {
        'dtype': torch.get_default_dtype(),
        'device': torch.get_default_device(),
        'grad': torch.is_grad_enabled(),
        'inference': torch.is_inference_mode_enabled(),
        'threads': torch.get_num_threads(),
        'anomaly': torch.is_anomaly_enabled(),
        'deterministic': (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        'precision': torch.get_float32_matmul_precision(),
        'cudnn': (
            torch.backends.cudnn.enabled,
            torch.backends.cudnn.benchmark,
            torch.backends.cudnn.deterministic,
            torch.backends.cudnn.allow_tf32,
        ),
        'mkldnn': torch.backends.mkldnn.enabled,
        'autocast': (torch.is_autocast_enabled('cpu'), torch.get_autocast_dtype('cpu')),
        'autocast_cuda': (torch.is_autocast_enabled('cuda'), torch.get_autocast_dtype('cuda')),
        'autocast_cache': torch.is_autocast_cache_enabled(),
        'denormal': _flushes_denormals(),
        'warn_always': torch.is_warn_always_enabled(),
    }


def set_torch_switches(switches: dict[str, Any]) -> None:
    """Sets the switches as `torch_switches` returned them."""
    now = torch_switches()
    if switches == now:
        return
    torch.set_default_dtype(switches['dtype'])
    # None, not 'cpu', is torch's own state: any named device slows every call down
    torch.set_default_device(None if switches['device'].type == 'cpu' else switches['device'])
    if switches['inference'] != now['inference']:  # entered and not left
        torch._C._InferenceMode(switches['inference']).__enter__()  # type: ignore[no-untyped-call]
    torch.set_grad_enabled(switches['grad'])
    if switches['threads'] != now['threads']:
        torch.set_num_threads(switches['threads'])
    torch.autograd.set_detect_anomaly(switches['anomaly'])
    enabled, warn_only = switches['deterministic']
    torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
    torch.set_float32_matmul_precision(switches['precision'])
    cudnn = torch.backends.cudnn
    cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32 = switches['cudnn']
    torch.backends.mkldnn.enabled = switches['mkldnn']
    for device, name in (('cpu', 'autocast'), ('cuda', 'autocast_cuda')):
        torch.set_autocast_enabled(device, switches[name][0])
        torch.set_autocast_dtype(device, switches[name][1])
    torch.set_autocast_cache_enabled(switches['autocast_cache'])
    torch.clear_autocast_cache()
    torch.set_flush_denormal(switches['denormal'])
    torch.set_warn_always(switches['warn_always'])


_SMALLEST = sys.float_info.min


def _flushes_denormals() -> bool:
    return _SMALLEST / 2 == 0.0
