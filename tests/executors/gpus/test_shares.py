"""How GPUs are shared, as the options say it."""

import pytest

from sweeper import InvalidArgument, LocalExecutor
from sweeper.executors.gpus.shares import GpuShares

CARDS = ['0', '1', '2', '3', '4']


@pytest.mark.parametrize(
    ('per_gpu', 'gpus_per_run', 'slots', 'cards'),
    [
        (None, 0, None, CARDS),
        (1, 0, 1, CARDS),
        (4, 0, 4, CARDS),
        (None, 0.25, 4, CARDS),
        (None, 0.333, 3, CARDS),
        (None, 1 / 3, 3, CARDS),
        (None, 0.6, 1, CARDS),
        (None, 1, 1, CARDS),
        (None, 2, 1, ['0,1', '2,3']),
        (None, 5, 1, ['0,1,2,3,4']),
    ],
)
def test_shares_are_slots_and_whole_numbers_are_groups(per_gpu, gpus_per_run, slots, cards):
    shares = GpuShares(per_gpu, gpus_per_run, CARDS)
    assert (shares.slots, shares.cards('cuda')) == (slots, cards)


def test_numbers_are_names_too():
    assert GpuShares(gpus=[2, 'GPU-a']).cards('cpu') == ['2', 'GPU-a']


def test_without_gpus_and_without_a_wish_there_is_nothing_to_share():
    assert GpuShares().cards('cpu') == []


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'per_gpu': 2}, r"per_gpu=2: with device='cpu', this process sees no GPU"),
        ({'gpus_per_run': 0.5}, r"gpus_per_run=0\.5: with device='cpu', this process sees no GPU"),
        ({'gpus_per_run': 3.0, 'gpus': ['0', '1']}, r'gpus_per_run=3\.0: .* sees only 2'),
    ],
)
def test_what_cannot_be_had_is_an_error(options, message):
    with pytest.raises(InvalidArgument, match=message):
        GpuShares(**options).cards('cpu')


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'per_gpu': 0}, 'per_gpu=0: must be an integer of at least 1'),
        ({'per_gpu': 2, 'gpus_per_run': 0.5}, 'give one'),
        ({'gpus': []}, r'gpus=\[\]: must be a list'),
        ({'gpus': '01'}, "gpus='01': must be a list"),
        ({'gpus': ['0,1']}, 'each once'),
        ({'gpus': [0, '0']}, 'each once'),
    ],
)
def test_what_cannot_be_meant_is_an_error(options, message):
    with pytest.raises(InvalidArgument, match=message):
        LocalExecutor(2, **options)
