"""A U-Net with the usual loop: BCE and Dice, RMSprop with momentum, clipping, dicts of image and mask."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import Dataset

from sweeper import Metric


class DoubleConv(nn.Module):
    """(convolution => [BN] => ReLU) * 2"""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x):
        return self.double_conv(x)


class UNet(nn.Module):
    def __init__(self, has_skips, channels=6):
        super().__init__()
        self.has_skips = has_skips
        self.inc = DoubleConv(1, channels)
        self.down1 = nn.Sequential(nn.MaxPool2d(4), DoubleConv(channels, channels))
        self.up1 = nn.Upsample(scale_factor=4, mode='bilinear', align_corners=True)
        self.conv = DoubleConv(2 * channels if has_skips else channels, channels)
        self.outc = nn.Conv2d(channels, 1, kernel_size=1)

    def forward(self, x):
        x1 = self.inc(x)
        x = self.up1(self.down1(x1))
        return self.outc(self.conv(torch.cat([x1, x], dim=1) if self.has_skips else x))


def dice_coeff(input, target, epsilon=1e-6):
    inter = 2 * (input * target).sum(dim=(1, 2))
    sets_sum = input.sum(dim=(1, 2)) + target.sum(dim=(1, 2))
    return ((inter + epsilon) / (sets_sum + epsilon)).mean()


def dice_loss(input, target):
    return 1 - dice_coeff(input, target)


class Shapes(Dataset):
    """Bright spots, one pixel in size, in noise."""

    def __init__(self, count, seed):
        generator = torch.Generator().manual_seed(seed)
        self.masks = (torch.rand(count, 16, 16, generator=generator) < 0.06).float()
        self.images = self.masks + 0.2 * torch.randn(count, 16, 16, generator=generator)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, idx):
        return {'image': self.images[idx][None], 'mask': self.masks[idx]}


def model(has_skips):
    return UNet(has_skips)


def dataset():
    return Shapes(96, seed=0), Shapes(48, seed=1)


def step(model, batch):
    masks_pred = model(batch['image'])
    loss = F.binary_cross_entropy_with_logits(masks_pred.squeeze(1), batch['mask'])
    return loss + dice_loss(F.sigmoid(masks_pred.squeeze(1)), batch['mask'])


def predict(model, batch):
    return (F.sigmoid(model(batch['image']).squeeze(1)) > 0.5).float(), batch['mask']


def optimizer(parameters, lr):
    return torch.optim.RMSprop(parameters, lr=lr, weight_decay=1e-8, momentum=0.9)


clip_norm = 1.0
metrics = {'dice': Metric(dice_coeff, higher=True, best=1.0, worst=0.0)}
