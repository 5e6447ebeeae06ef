"""Real sweeps: what is chosen depends neither on the unit of the loss or the objective, nor on its origin."""

import json

import pytest

from sweeper import FixedSweep, get_settings, sweep

PROBLEM = """
import torch
from sklearn.datasets import load_digits
from torch.utils.data import TensorDataset


def model(width):
    layers = torch.nn.Linear(64, width), torch.nn.ReLU(), torch.nn.Linear(width, 10)
    return torch.nn.Sequential(*layers)


def dataset():
    digits = load_digits()
    images = torch.tensor(digits.data[:500] / 16, dtype=torch.float32)
    data = images, torch.tensor(digits.target[:500])
    return TensorDataset(*(part[:400] for part in data)), TensorDataset(*(part[400:] for part in data))


class loss(torch.nn.Module):
    def forward(self, output, target):
        return {loss}


def share(outputs, targets):
    return (outputs.argmax(1) == targets).double().mean().item()


def percent(outputs, targets):
    return 100 - 100 * share(outputs, targets)


{objective}
"""
ENTROPY = 'torch.nn.functional.cross_entropy(output, target)'
ADAM = 'optimizer = torch.optim.Adam'
IMPORTS = 'from sweeper import Metric\n'
OBJECTIVES = {
    'accuracy': ("accuracy_style = 'classification'",) * 2,
    'inverse loss': ("accuracy_style = 'inv-loss'",) * 2,
    'loss': ("metrics = {'loss': 'loss'}",) * 2,
    'error in per cent': (
        f"{IMPORTS}metrics = {{'share': Metric(share, higher=True)}}",
        f"{IMPORTS}metrics = {{'percent': Metric(percent, higher=False)}}",
    ),
}


def chosen(folder, loss, objective, optimizer=''):
    """Tunes with a loss and an objective; returns what was chosen, and the flags."""
    folder.mkdir()
    (folder / 'digits.py').write_text(
        PROBLEM.replace('{loss}', loss).replace('{objective}', f'{objective}\n{optimizer}')
    )
    settings = get_settings('fastest').replace(trial_samples=20_000)
    options = {'executor': 'inline', 'progress': 'none'}
    sweep(folder / 'digits.py', FixedSweep([((12,), 0)]), 2, settings, folder / 'out', **options)
    hparams = folder / 'out/points/0/hparams'
    final, misc = (json.loads((hparams / f'{name}.json').read_text()) for name in ('final', 'misc'))
    return final, misc['flags']


@pytest.mark.slow
@pytest.mark.parametrize('objective', OBJECTIVES)
@pytest.mark.parametrize(
    ('unit', 'optimizer'),
    [('1024 * {}', ADAM), ('{} + 5', ''), ('{} - 5', '')],
    ids=['unit', 'plus', 'minus'],
)
def test_a_loss_in_other_units_and_an_error_in_per_cent_get_the_same_choice(
    unit, optimizer, objective, tmp_path
):
    if (unit, objective) == ('{} - 5', 'inverse loss'):
        pytest.skip('1 / (loss + 1) is of losses that are not negative')
    plain, other = OBJECTIVES[objective]
    expected, flags = chosen(tmp_path / 'plain', ENTROPY, plain, optimizer)
    found, found_flags = chosen(tmp_path / 'other', unit.format(ENTROPY), other, optimizer)
    assert found_flags == flags
    assert found.pop('lr_end') == pytest.approx(expected.pop('lr_end'))
    assert found.pop('lr_start') == pytest.approx(expected.pop('lr_start'))
    assert found == expected
