"""What `gpu.py` trains: the networks of `training_speed.py`, a ResNet-18 on 32x32 images, a transformer."""

from networks import CASES, Case, Transformer
from torch import nn
from torch.nn import functional


class Block(nn.Module):
    """Two convolutions with a short cut (He et al. 2016, figure 2)."""

    def __init__(self, before, after, stride):
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(after), nn.BatchNorm2d(after)])
        self.short = nn.Identity()
        if stride != 1 or before != after:
            self.short = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, images):
        inner = functional.relu(self.norms[0](self.first(images)))
        return functional.relu(self.norms[1](self.second(inner)) + self.short(images))


def resnet18():
    """With a first convolution of 3x3 and no pooling after it, as is usual for images of 32x32."""
    widths = [(64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1),
              (256, 512, 2), (512, 512, 1)]  # fmt: skip
    first = [nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    last = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10)]
    return nn.Sequential(*first, *(Block(*width) for width in widths), *last)


def cases(is_small):
    """All of them; the least ratio to the ordinary loop that is promised for captured steps, and for lanes.

    Args:
        is_small: With two batches of four samples each, to try the benchmark out.
    """
    more = [
        Case('ResNet-18, 32x32', resnet18, (3, 32, 32), 128, 2048, 0.0),
        Case('transformer, 4 layers of 256', lambda: Transformer(256, 4), (64, 256), 32, 1024, 0.0),
    ]
    promised = {'MLP 64-64-10': (5, 20), 'CNN 16-32, 28x28': (3, None)}
    for case in [*CASES, *more]:
        size = {'batch_size': 4, 'samples': 8} if is_small else {}
        yield case._replace(**size), promised.get(case.name, (None, None))
