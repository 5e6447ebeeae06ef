"""How many latent dimensions does a variational autoencoder of handwritten digits need?

What training minimises is no criterion of one output and a target: `step` computes it, from two losses.
There are no targets, so that a batch is the images alone.

    python examples/digits_vae.py
    sweeper run examples/digits_vae.py --grid latent=1,2,8 --preset fastest
"""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional
from torch.utils.data import TensorDataset

from sweeper import FixedSweep, sweep


class Autoencoder(nn.Module):
    """Images of 64 pixels, as a normal distribution over a few latent values."""

    def __init__(self, latent):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent, 48), nn.ReLU(), nn.Linear(48, 64))

    def encode(self, images):
        """Returns the mean and the logarithm of the variance of each image's latent values."""
        return self.encoder(images).chunk(2, dim=1)


def model(latent):
    return Autoencoder(latent)


def dataset():
    images = torch.tensor(load_digits().data / 16, dtype=torch.float32)
    train, val = train_test_split(images, test_size=0.2, random_state=0)
    return TensorDataset(train), TensorDataset(val)


def step(model, batch):
    (images,) = batch
    mean, log_variance = model.encode(images)
    noise = torch.randn_like(mean) if model.training else 0
    outputs = model.decoder(mean + noise * (log_variance / 2).exp())
    reconstruction = functional.binary_cross_entropy_with_logits(outputs, images, reduction='sum')
    divergence = -(1 + log_variance - mean**2 - log_variance.exp()).sum() / 2
    return (reconstruction + divergence) / images.numel()  # per pixel, the mean over the batch


accuracy_style = 'inv-loss'


def selector(trials=3):
    return FixedSweep.with_fixed_trials([(latent,) for latent in (1, 2, 4, 8)], trials)


if __name__ == '__main__':
    folder = sys.argv[1] if len(sys.argv) > 1 else 'out/digits_vae'
    for result in sweep('__main__', selector(), 2, 'fastest', folder):
        print(*result.params, result.loss_val.mean().round(4))
