"""Does a U-Net need its skip connections to outline shapes, and how deep should it be? By Dice.

Images are made up: one to three discs, brighter than noise, and a bar that is as bright and does not count.

    python examples/shapes_unet.py
    sweeper run examples/shapes_unet.py --grid depth=1,2 --grid has_skips=true,false --preset fastest
"""

import sys

import torch
from torch import nn
from torch.utils.data import TensorDataset

from sweeper import FixedSweep, get_settings, sweep

SIZE, CHANNELS = 24, 8


def shapes(count, seed):
    """Returns images and the pixels that are of discs, each of shape `(count, 1, SIZE, SIZE)`."""
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing='ij')
    images = torch.randn(count, 1, SIZE, SIZE, generator=generator) * 0.4
    masks = torch.zeros(count, 1, SIZE, SIZE)
    for image, mask in zip(images, masks, strict=True):
        for _ in range(int(torch.randint(1, 4, (), generator=generator))):
            row, column = torch.randint(4, SIZE - 4, (2,), generator=generator)
            radius = torch.randint(2, 5, (), generator=generator)
            mask[0] += (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
        mask.clamp_(max=1)
        bar = int(torch.randint(SIZE, (), generator=generator))
        image += torch.maximum(mask, ((rows if bar % 2 else columns) == bar).float())
    return images, masks


def convolutions(inputs, outputs):
    layers = [(inputs, outputs), (outputs, outputs)]
    parts = [
        (nn.Conv2d(*pair, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()) for pair in layers
    ]
    return nn.Sequential(*parts[0], *parts[1])


class UNet(nn.Module):
    """Halves the resolution `depth` times, and doubles it as often: a logit for each pixel."""

    def __init__(self, depth, has_skips):
        super().__init__()
        widths = [CHANNELS * 2**level for level in range(depth + 1)]
        self.has_skips = has_skips
        self.down = nn.ModuleList(map(convolutions, [1, *widths], widths))
        self.up = nn.ModuleList(
            convolutions(wide + narrow * has_skips, narrow)
            for narrow, wide in zip(widths[-2::-1], widths[:0:-1], strict=True)
        )
        self.pool, self.grow = nn.MaxPool2d(2), nn.Upsample(scale_factor=2)
        self.head = nn.Conv2d(CHANNELS, 1, 1)

    def forward(self, images):
        skips, states = [], self.down[0](images)
        for layer in self.down[1:]:
            skips.append(states)
            states = layer(self.pool(states))
        for layer, skip in zip(self.up, reversed(skips), strict=True):
            states = self.grow(states)
            states = layer(torch.cat([skip, states], dim=1) if self.has_skips else states)
        return self.head(states)


def model(depth, has_skips):
    return UNet(depth, has_skips)


def dataset():
    return TensorDataset(*shapes(192, seed=0)), TensorDataset(*shapes(96, seed=1))


def optimizer(parameters, lr):
    return torch.optim.Adam(parameters, lr)


loss = nn.BCEWithLogitsLoss
metrics = {'dice': 'dice', 'iou': 'iou'}


def selector(trials=3):
    points = [(depth, has_skips) for depth in (1, 2) for has_skips in (True, False)]
    return FixedSweep.with_fixed_trials(points, trials)


if __name__ == '__main__':
    folder = sys.argv[1] if len(sys.argv) > 1 else 'out/shapes_unet'
    settings = get_settings('fastest').replace(trial_samples=4000)
    for result in sweep('__main__', selector(), 2, settings, folder):
        print(*result.params, result.perf_val.mean().round(4))
