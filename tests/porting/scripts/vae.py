"""PyTorch's VAE: three outputs, two losses that are summed over the batch, and no targets."""

import torch
from sklearn.datasets import load_digits
from torch import nn, optim
from torch.nn import functional as F
from torch.utils.data import TensorDataset


class VAE(nn.Module):
    def __init__(self, latent):
        super().__init__()
        self.fc1 = nn.Linear(64, 64)
        self.fc21 = nn.Linear(64, latent)
        self.fc22 = nn.Linear(64, latent)
        self.fc3 = nn.Linear(latent, 64)
        self.fc4 = nn.Linear(64, 64)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = torch.randn_like(std)
        return mu + eps * std

    def decode(self, z):
        h3 = F.relu(self.fc3(z))
        return torch.sigmoid(self.fc4(h3))

    def forward(self, x):
        mu, logvar = self.encode(x.view(-1, 64))
        z = self.reparameterize(mu, logvar)
        return self.decode(z), mu, logvar


def loss_function(recon_x, x, mu, logvar):
    BCE = F.binary_cross_entropy(recon_x, x.view(-1, 64), reduction='sum')
    KLD = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return BCE + KLD


def model(latent):
    return VAE(latent)


def dataset():
    images = torch.tensor(load_digits().data / 16, dtype=torch.float32)
    return TensorDataset(images[:1200]), TensorDataset(images[1200:])


def step(model, batch):
    (data,) = batch
    recon_batch, mu, logvar = model(data)
    return loss_function(recon_batch, data, mu, logvar) / len(data)


def optimizer(parameters, lr):
    return optim.Adam(parameters, lr=lr)


metrics = {'elbo': 'loss'}
