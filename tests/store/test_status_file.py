import json

import pytest

from sweeper.store.layout import SweepLayout
from sweeper.store.lock import holder, locked
from sweeper.store.status_file import Note, read_note, since, write_note

NOTE = Note(at=1000.5, cores=4, busy=3, points=8, trials=24, more_to_come=True, share=0.5, seconds_left=None)
RUNNING = [(3, 'training: trial 1'), (0, 'tuning')]


def test_what_is_noted_is_read_beside_who_holds_the_folder(tmp_path):
    with locked(tmp_path):
        before = holder(tmp_path)
        assert read_note(before) is None
        for _ in range(2):
            write_note(tmp_path, NOTE, RUNNING)
        who = holder(tmp_path)
        assert read_note(who) == (NOTE, RUNNING)
        assert {key: value for key, value in who.items() if key != 'note'} == before
    assert list(tmp_path.iterdir()) == []


def test_that_it_cannot_be_written_is_no_error(tmp_path):
    write_note(tmp_path / 'not there', NOTE, RUNNING)
    with locked(tmp_path):
        (tmp_path / 'running.json.partial').symlink_to(tmp_path / 'elsewhere')
        write_note(tmp_path, NOTE, RUNNING)
        assert not (tmp_path / 'elsewhere').exists()
        assert read_note(holder(tmp_path)) == (NOTE, RUNNING)  # the link was ours to remove


@pytest.mark.parametrize(
    'damage',
    [{'cores': 'four'}, {'share': None}, {'running': None}, {'running': [[1]]}, {'running': [['x', 'y']]},
     {'at': True}, {'unknown': 1}],
)  # fmt: skip
def test_a_note_that_says_nothing_of_the_kind_is_none(tmp_path, damage):
    with locked(tmp_path):
        write_note(tmp_path, NOTE, RUNNING)
        who = holder(tmp_path)
    SweepLayout(tmp_path).running.write_text(json.dumps(who | {'note': who['note'] | damage}))
    assert read_note(holder(tmp_path)) is None


@pytest.mark.parametrize('who', [{}, {'note': 3}, {'note': []}, {'note': None}])
def test_without_a_note_there_is_none(who):
    assert read_note(who) is None


def test_since_when_it_runs():
    assert since({'since': '1970-01-01T00:01:00+00:00'}) == 60
    assert since({}) is since({'since': 'yesterday'}) is since({'since': 3}) is None
