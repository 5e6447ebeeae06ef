"""Adapters: what another library trains, as a problem."""

from .lightning_module import LightningProblem, lightning

__all__ = ['LightningProblem', 'lightning']
