"""A Lightning module with a loss in `training_step`, and a `LightningDataModule`."""

import lightning as L
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset, random_split

from sweeper import adapters


class LitAutoEncoder(L.LightningModule):
    def __init__(self, code=8, lr=1e-3):
        super().__init__()
        self.save_hyperparameters()
        self.encoder = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, code))
        self.decoder = nn.Sequential(nn.Linear(code, 32), nn.ReLU(), nn.Linear(32, 16))

    def forward(self, x):
        return self.encoder(x)

    def training_step(self, batch, batch_idx):
        x, _ = batch
        loss = F.mse_loss(self.decoder(self.encoder(x)), x)
        self.log('train_loss', loss)
        return loss

    def validation_step(self, batch, batch_idx):
        x, _ = batch
        self.log('val_loss', F.mse_loss(self.decoder(self.encoder(x)), x))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)


class Curves(L.LightningDataModule):
    """Samples of 16 values, made of four."""

    def setup(self, stage):
        generator = torch.Generator().manual_seed(0)
        factors = torch.randn(400, 4, generator=generator)
        x = factors @ torch.randn(4, 16, generator=generator)
        data = TensorDataset(x, torch.zeros(len(x)))
        self.train, self.val = random_split(data, [300, 100], generator)

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=32, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val, batch_size=32)


problem = adapters.lightning(LitAutoEncoder, Curves, monitor='val_loss', mode='min')
