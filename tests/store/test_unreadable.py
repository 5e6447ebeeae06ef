"""A file that the system does not let be read is no damage: that is told in words, with the file."""

import errno
import os

import pytest

from sweeper.errors import FolderError
from sweeper.store.following import Follower
from sweeper.store.store import Store

FILES = [
    'sweep.json', 'points/params.csv', 'points/0/hparams/misc.json', 'points/0/hparams/final.json',
    'points/0/trials/0/result.json', 'points/1/error.json',
]  # fmt: skip


def opened(example, folder):
    with example.opened(folder):
        pass


def looked_at(_, folder):
    Follower(folder).look()


def read(_, folder):
    Store.read(folder)


@pytest.mark.parametrize('use', [opened, looked_at, read])
@pytest.mark.parametrize('name', FILES)
def test_what_cannot_be_read_is_told_in_words_with_the_file(example, tmp_path, monkeypatch, name, use):
    folder = tmp_path / 'sweep'
    with example.opened(folder) as store:
        example.fill(store)
    before, open_whole = example.tree(folder), os.open

    def open_or_fail(path, *arguments, **options):
        if str(path) == str(folder / name):
            raise OSError(errno.EIO, 'Input/output error', str(path))
        return open_whole(path, *arguments, **options)

    monkeypatch.setattr(os, 'open', open_or_fail)
    with pytest.raises(FolderError) as raised:
        use(example, folder)
    message = str(raised.value)
    assert 'Input/output error' in message and 'Errno' not in message
    assert message.count(str(folder / name)) == 1
    monkeypatch.undo()
    assert example.tree(folder) == before
