"""One process writes in a folder; whoever else comes is told who that is."""

import json
import os
import socket
import subprocess
import sys
import threading
from datetime import datetime

import pytest

from sweeper.errors import FolderError
from sweeper.store.lock import holder, is_locked, locked

HOLD = """
import sys
from pathlib import Path
from sweeper.store.lock import locked
with locked(Path(sys.argv[1])):
    print('held', flush=True)
    sys.stdin.read()
"""


class Holder:
    """A process that holds a folder."""

    def __init__(self, folder):
        command = [sys.executable, '-c', HOLD, str(folder)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == 'held\n'

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        self.process.communicate(timeout=30)


@pytest.fixture
def held(folder):
    """A process that holds the folder."""
    folder.mkdir()
    holder = Holder(folder)
    yield holder
    if holder.process.returncode is None:
        holder.kill()
    holder.process.stdin.close()
    holder.process.stdout.close()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_is_made_locked_and_left_as_it_was(tmp_path):
    folder = tmp_path / 'a/b'
    with locked(folder):
        assert is_locked(folder)
        assert names(folder) == ['running.json']
        with pytest.raises(FolderError, match='another sweep is running'), locked(folder):
            pass
        assert is_locked(folder)
        assert names(folder) == ['running.json']
    assert not is_locked(folder)
    assert names(folder) == []


def test_whoever_holds_a_folder_says_so(tmp_path):
    with locked(tmp_path):
        told = json.loads((tmp_path / 'running.json').read_text())
        assert told == holder(tmp_path)
    assert (told['pid'], told['host']) == (os.getpid(), socket.gethostname())
    assert json.loads(told['command']) == sys.argv
    age = datetime.now().astimezone() - datetime.fromisoformat(told['since'])
    assert 0 <= age.total_seconds() + 1 < 60
    assert holder(tmp_path) == {}


def test_a_second_process_is_told_who_is_there(held, folder):
    told = holder(folder)
    assert told['pid'] == held.process.pid
    with pytest.raises(FolderError) as caught, locked(folder):
        pass
    for words in (
        f'another sweep is running in {folder}',
        f'process {held.process.pid} on {socket.gethostname()}',
        f'since {told["since"]}',
        'wait for it to finish, or stop it',
    ):
        assert words in str(caught.value)
    assert holder(folder) == told
    assert is_locked(folder)


def test_the_lock_of_a_killed_process_is_no_obstacle(held, folder):
    held.kill()
    assert names(folder) == ['running.json']  # what it could not take away
    assert not is_locked(folder)
    with locked(folder):
        assert holder(folder)['pid'] == os.getpid()
    assert names(folder) == []


def test_the_folder_is_free_when_the_process_has_ended(held, folder):
    held.end()
    assert names(folder) == []
    with locked(folder):
        pass


@pytest.mark.parametrize(
    'text', [b'{"pid": 1, "host": "another", "since": "2020"}', b'{}', b'', b'\xff', b'[1]', b'{"pid": 1}']
)
def test_what_a_killed_process_left_is_no_obstacle_whatever_it_is(tmp_path, text):
    (tmp_path / 'running.json').write_bytes(text)
    assert not is_locked(tmp_path)
    with locked(tmp_path):
        assert holder(tmp_path)['pid'] == os.getpid()
        # and while it is held, what is read of the holder is only for the message
        (tmp_path / 'running.json').write_bytes(text)
        assert is_locked(tmp_path)
        with pytest.raises(FolderError, match='another sweep is running'), locked(tmp_path):
            pass


def test_the_lock_is_free_again_after_an_error(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path):
        raise KeyError
    assert not is_locked(tmp_path)
    assert names(tmp_path) == []


def test_the_lock_does_not_mind_that_the_folder_was_deleted(folder):
    with locked(folder):
        (folder / 'running.json').unlink()
        folder.rmdir()
    assert not folder.exists()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / 'file').touch()
    for folder in (tmp_path / 'file', tmp_path / 'file/folder'):
        with pytest.raises(FolderError, match='cannot write in the folder') as caught, locked(folder):
            pass
        assert str(folder) in str(caught.value)


def test_looking_whether_a_folder_is_held_does_not_keep_a_sweep_out(folder):
    """`sweeper status` may be run again and again, while a sweep starts."""
    folder.mkdir()
    over = threading.Event()

    def look():
        while not over.is_set():
            is_locked(folder)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for _ in range(300):
            with locked(folder):
                pass
    finally:
        over.set()
        watcher.join()
