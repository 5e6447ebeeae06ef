"""What workers print is kept, per point, with its time and run."""

import errno
import re
import threading

import pytest

from sweeper.store.log import RunLog

TIME = r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d'


@pytest.fixture
def log(store, example):
    store.add_points(example.points)
    log = RunLog()
    log.open(store)
    return log


def test_every_line_has_its_time_and_run(log, folder, example):
    log.write(example.points[1], 'trial 3', 'one\n\ntwo [red]\n')
    lines = (folder / 'points/1/log.txt').read_text().splitlines()
    expected = ['trial 3 \\| one', 'trial 3 \\| ', 'trial 3 \\| two \\[red\\]']
    assert len(lines) == len(expected)
    for line, text in zip(lines, expected, strict=True):
        assert re.fullmatch(f'{TIME} {text}', line)


def test_what_belongs_to_no_point_is_in_the_sweeps_log(log, folder):
    log.write(None, 'worker', 'downloading the data')
    assert re.fullmatch(rf'{TIME} worker \| downloading the data\n', (folder / 'log.txt').read_text())
    assert not list((folder / 'points').glob('*/log.txt'))


def test_the_log_grows_over_starts_of_the_sweep(log, store, folder, example):
    log.write(example.points[0], 'tuning', 'first')
    again = RunLog()
    again.open(store)
    again.write(example.points[0], 'tuning', 'second')
    told = [line.partition(' | ')[2] for line in (folder / 'points/0/log.txt').read_text().splitlines()]
    assert told == ['first', 'second']


def test_what_is_printed_before_the_folder_is_open_is_not_lost(store, folder):
    log = RunLog()
    log.write(None, 'worker', 'early')
    log.write(None, 'worker', 'words')
    assert not (folder / 'log.txt').exists()
    log.open(store)
    log.write(None, 'worker', 'late')
    told = [line.partition(' | ')[2] for line in (folder / 'log.txt').read_text().splitlines()]
    assert told == ['early', 'words', 'late']


def test_lines_of_many_threads_stay_whole(log, folder, example):
    def chat(number):
        for i in range(50):
            log.write(example.points[0], f'trial {number}', f'{number}-{i} ' + 'x' * 500)

    threads = [threading.Thread(target=chat, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = [line.partition(' | ')[2] for line in (folder / 'points/0/log.txt').read_text().splitlines()]
    assert sorted(told) == sorted(f'{number}-{i} ' + 'x' * 500 for number in range(4) for i in range(50))


def test_what_cannot_be_written_is_an_error_of_the_system(log, example, steps):
    with steps.faulty(0, errno.ENOSPC), pytest.raises(OSError, match='No space left'):
        log.write(example.points[0], 'tuning', 'words')


def test_a_log_does_not_stand_in_the_way_of_what_is_kept(log, store, folder, example):
    log.write(None, 'worker', 'early')
    log.write(example.points[0], 'tuning', 'words')
    example.fill(store)
    assert store.results().failures
