import threading

import pytest

from sweeper.events import Running, Status, SweepEnded
from sweeper.report.live import status_file
from sweeper.report.live.status_file import StatusWriter
from sweeper.store.lock import holder
from sweeper.store.manifest import Manifest
from sweeper.store.status_file import read_note
from sweeper.store.store import Store

POINTS = [('a',), ('b',)]
LONG = 30


def status(trials_done):
    running = Running(lambda: [(('b',), 'training: trial 1')])
    return Status(2, 1, 0, 6, trials_done, running, False, cores=4, busy=1, share=0.5, seconds_left=9.5)


@pytest.fixture
def store(tmp_path):
    with Store.opened(tmp_path, Manifest('problem', 'fast', {}, 1, 0, 100)) as store:
        store.add_points(POINTS)
        yield store


@pytest.fixture
def written(monkeypatch):
    """Released once for every note that was written."""
    write, notes = status_file.write_note, threading.Semaphore(0)

    def write_and_tell(*arguments):
        write(*arguments)
        notes.release()

    monkeypatch.setattr(status_file, 'write_note', write_and_tell)
    return notes


def test_who_looks_on_is_told_what_results_do_not_tell(store, written):
    listener = StatusWriter(store.records)
    listener.handle(status(0))
    assert written.acquire(timeout=LONG)
    note, running = read_note(holder(store.layout.folder))
    assert (note.cores, note.busy, note.points, note.trials, note.share, note.seconds_left) == (
        4, 1, 2, 6, 0.5, 9.5
    )  # fmt: skip
    assert running == [(1, 'training: trial 1')]
    listener.handle(SweepEnded())


def test_the_last_of_many_statuses_is_written_and_most_others_are_not(store, written, monkeypatch):
    monkeypatch.setattr(status_file, '_SECONDS_BETWEEN', (0.05, 0.05))
    listener = StatusWriter(store.records)
    for done in range(1000):
        listener.handle(Status(2, 1, 0, done, done, (), False))
    while read_note(holder(store.layout.folder))[0].trials != 999 if written.acquire(timeout=LONG) else True:
        pass
    listener.handle(SweepEnded())
    count = 1
    while written.acquire(blocking=False):
        count += 1
    assert count < 100
    assert not listener._thread.is_alive()


def test_end_without_a_start_is_fine(store):
    StatusWriter(store.records).handle(SweepEnded())
    assert read_note(holder(store.layout.folder)) is None
