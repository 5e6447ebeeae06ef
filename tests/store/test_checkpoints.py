"""States of trials in progress: what a start finds of them, and when they are gone."""

import io
import os
import zipfile

import pytest

from sweeper.errors import DamagedFileWarning
from sweeper.store.store import Store


def state():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        archive.writestr('data', b'state' * 100)
    return buffer.getvalue()


@pytest.fixture
def states(example, folder):
    """The folder with the states of the first point, whose trials 0, 1 and 2 are done."""
    with example.opened(folder) as store:
        example.fill(store)
    states = folder / 'points/0/checkpoints'
    states.mkdir()
    return states


def test_states_of_unfinished_trials_stay_and_others_are_removed(states, folder):
    for name in ('0.pt', '2.pt', '3.pt', '0-7.pt', '4.pt.123.partial'):
        (states / name).write_bytes(state())
    with Store.opened(folder):
        assert sorted(os.listdir(states)) == ['0-7.pt', '3.pt']


def test_what_a_trial_kept_is_removed_when_it_is_written(states, example, folder):
    for name in ('3.pt', '4.pt'):
        (states / name).write_bytes(state())
    with Store.opened(folder) as store:
        store.write_trial(example.points[0], 3, example.record())
        assert os.listdir(states) == ['4.pt']
        store.rebuild()
        assert os.listdir(states) == ['4.pt']
        store.complete(example.points[0], {})
        assert not states.exists()


@pytest.mark.parametrize('damage', [b'', state()[:-30], state().replace(b'statestate', b'stateState', 1)])
def test_damaged_states_are_set_aside(damage, states, folder):
    (states / '3.pt').write_bytes(damage)
    (states / '4.pt').write_bytes(state())
    with pytest.warns(DamagedFileWarning, match='checkpoints/3.pt'), Store.opened(folder):
        assert os.listdir(states) == ['4.pt']
    assert (folder / 'damaged/points/0/checkpoints/3.pt').read_bytes() == damage


def test_links_in_place_of_states_are_set_aside_and_not_followed(states, folder, tmp_path):
    outside = tmp_path / 'outside'
    outside.mkdir()
    (outside / '3.pt').write_bytes(b'not ours')
    (states / '3.pt').symlink_to(outside / '3.pt')
    with pytest.warns(DamagedFileWarning, match='a link'), Store.opened(folder):
        assert os.listdir(states) == []
    states.rmdir()
    states.symlink_to(outside)
    with pytest.warns(DamagedFileWarning, match='a link'), Store.opened(folder):
        assert not states.exists()
    assert os.listdir(outside) == ['3.pt']


def test_nobody_keeps_states_where_processes_do_not_share_the_folder(states, example, folder):
    with Store.opened(folder) as store:
        assert store.checkpoints(example.points[0], None) is None
        kept = store.checkpoints(example.points[0], 30.0)
        assert (kept['folder'], kept['seconds']) == (str(states), 30.0)
