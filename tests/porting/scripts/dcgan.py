"""DCGAN: a generator and a discriminator with an optimizer each, in a loop of its own."""

import torch
from torch import nn, optim
from torch.utils.data import TensorDataset

NZ = 8


class Generator(nn.Module):
    def __init__(self, ends_with, ngf=8):
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(NZ, ngf, 4, 1, 0, bias=False),
            nn.BatchNorm2d(ngf),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf, 1, 4, 2, 1),
            ends_with,
        )

    def forward(self, input):
        return self.main(input)


class Discriminator(nn.Module):
    def __init__(self, ndf=8):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(1, ndf, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(ndf, 1, 4), nn.Sigmoid()
        )

    def forward(self, input):
        return self.main(input).view(-1)


class GAN(nn.Module):
    def __init__(self, ends_with):
        super().__init__()
        self.netG, self.netD = Generator(ends_with), Discriminator()
        self.apply(weights_init)


def weights_init(m):
    if isinstance(m, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(m.weight, 0.0, 0.02)


def model(ends_with):
    return GAN({'tanh': nn.Tanh(), 'relu': nn.ReLU()}[ends_with])


def dataset():  # squares, light on dark: in [-1, 1]
    corners = torch.randint(5, (400, 2), generator=torch.Generator().manual_seed(0))
    images = torch.full((400, 1, 8, 8), -1.0)
    for image, (top, left) in zip(images, corners, strict=True):
        image[0, top : top + 4, left : left + 4] = 1.0
    return TensorDataset(images[:300]), TensorDataset(images[300:])


def train(run):
    netG, netD, criterion = run.model.netG, run.model.netD, nn.BCELoss()
    optimizerD = optim.Adam(netD.parameters(), betas=(0.5, 0.999))
    optimizerG = optim.Adam(netG.parameters(), betas=(0.5, 0.999))
    for (real,) in run:
        run.set_lr(optimizerD, optimizerG)
        ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
        netD.zero_grad()
        fake = netG(torch.randn(len(real), NZ, 1, 1))
        errD = criterion(netD(real), ones) + criterion(netD(fake.detach()), zeros)
        errD.backward()
        optimizerD.step()
        netG.zero_grad()
        errG = criterion(netD(fake), ones)
        errG.backward()
        optimizerG.step()
        run.report(errD)


def step(model, batch):
    """What is compared: how far images of the generator are from real ones (the energy distance)."""
    (real,) = batch
    real = real.flatten(1)
    fake = model.netG(torch.randn(len(real), NZ, 1, 1)).flatten(1)
    return (
        2 * torch.cdist(real, fake).mean() - torch.cdist(real, real).mean() - torch.cdist(fake, fake).mean()
    )


metrics = {'distance': 'loss'}
