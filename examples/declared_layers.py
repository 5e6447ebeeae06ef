"""Layers of `declared_cnn.py`: what can be varied is declared right where it is used."""

from torch import nn

from sweeper.m import _


def activation():
    return getattr(nn, _('activation', 'ReLU', choices=['ReLU', 'Tanh']))()


def block(inputs):
    """A convolution with its normalisation and activation, and how many channels it has."""
    width = _('width', 8, choices=[4, 8], help='channels of every layer')
    size = _('kernel', 3, choices=[3, 5], help='side of the convolutions')
    convolution = nn.Conv2d(inputs, width, size, padding=size // 2, bias=False)
    return [convolution, nn.BatchNorm2d(width), activation()], width
