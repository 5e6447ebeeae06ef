"""How wide and deep should a network of handwritten digits be? A module of Lightning, as it is.

Its arguments are what is compared, and `training_step` is what training minimises. Learning rate and batch
size are tuned, whatever the module says.

    pip install lightning
    python examples/lightning_digits.py
    sweeper run examples/lightning_digits.py --grid hidden=16,64 --grid depth=1,2 --preset fastest
"""

import itertools
import sys

import lightning
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset, random_split

from sweeper import FixedSweep, adapters, sweep


class Digits(lightning.LightningModule):
    """A perceptron that is trained with label smoothing, and with a penalty on confident outputs."""

    def __init__(self, hidden, depth, lr=1e-3):
        super().__init__()
        self.save_hyperparameters()
        widths = [64, *[hidden] * depth]
        layers = [nn.Sequential(nn.Linear(*pair), nn.ReLU()) for pair in itertools.pairwise(widths)]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden, 10))

    def forward(self, images):
        return self.layers(images)

    def training_step(self, batch, batch_idx):
        images, digits = batch
        logits = self(images)
        loss = functional.cross_entropy(logits, digits, label_smoothing=0.1)
        self.log('train_loss', loss, prog_bar=True)
        return loss + 1e-4 * logits.square().mean()

    def validation_step(self, batch, batch_idx):
        images, digits = batch
        logits = self(images)
        self.log('val_loss', functional.cross_entropy(logits, digits))
        self.log('val_acc', (logits.argmax(1) == digits).float().mean(), prog_bar=True)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)


class DigitsData(lightning.LightningDataModule):
    """The images of scikit-learn, a quarter of them for validation."""

    def setup(self, stage):
        data = load_digits()
        images = torch.tensor(data.data / 16, dtype=torch.float32)
        whole = TensorDataset(images, torch.tensor(data.target))
        self.train, self.val = random_split(whole, [0.75, 0.25], torch.Generator().manual_seed(0))

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=32, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val, batch_size=256)


problem = adapters.lightning(Digits, DigitsData, monitor='val_acc', mode='max')


def selector(trials=3):
    points = [(hidden, depth) for hidden in (16, 64) for depth in (1, 2)]
    return FixedSweep.with_fixed_trials(points, trials)


if __name__ == '__main__':
    folder = sys.argv[1] if len(sys.argv) > 1 else 'out/lightning_digits'
    for result in sweep('__main__', selector(), 2, 'fastest', folder):
        print(*result.params, result.perf_val.mean().round(4))
