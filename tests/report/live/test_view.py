import io
import math

import pytest
from rich.cells import cell_len
from rich.console import Console

from sweeper.events import Status
from sweeper.points import NamedPoint
from sweeper.report.live.board import Leader
from sweeper.report.live.view import Snapshot, SweepView
from sweeper.stats.intervals import Interval

LONG = NamedPoint({f'a_parameter_with_a_long_name_{n}': f'value {n}' for n in range(8)})
HOSTILE = NamedPoint({'[red]x[/]': '<script>alert(1)</script>', 'b': 'two\nlines\x1b[2J\r', 'c': '日本' * 9})


def status(**changes):
    return Status(
        **{
            'points': 30, 'tuned': 20, 'failed': 1, 'trials': 90, 'trials_done': 45,
            'running': [((16, 'relu'), 'training: trials 3-5'), ((8, '[x]'), 'tuning: candidates, 2 cores')],
            'more_to_come': False, 'cores': 4, 'busy': 3, 'share': 0.5, 'seconds_left': 62.0,
        } | changes
    )  # fmt: skip


def leaders(*points, tied=1, half_width=0.01):
    return [
        Leader(one, Interval(mean := 0.9 - n / 100, mean - half_width, mean + half_width), 3, n < tied)
        for n, one in enumerate(points)
    ]


def lines(snapshot, width=100, height=24):
    console = Console(width=width, file=io.StringIO(), record=True, force_terminal=True)
    console.print(SweepView(snapshot, height))
    return console.export_text().splitlines()


def test_it_says_what_is_done_how_long_it_will_take_and_what_each_core_does():
    bar, counts, cores, *tasks = lines(Snapshot(status(), elapsed=75))
    assert bar.endswith(' 50%  about 1:05 left') and bar.startswith('━')
    assert counts == '20/30 tuned, 45/90 trials, 1 failed, 1:15 elapsed'
    assert cores == '3 of 4 cores busy'
    assert [task.split(maxsplit=2) for task in tasks] == [
        ['16,', 'relu', 'training: trials 3-5'], ['8,', '[x]', 'tuning: candidates, 2 cores'],
    ]  # fmt: skip


def test_before_anything_is_known_no_time_is_given_and_more_to_come_is_told():
    bar, counts, *_ = lines(Snapshot(status(seconds_left=None, more_to_come=True)))
    assert bar.endswith(' 50%')
    assert '20/30+ tuned, 45/90+ trials' in counts
    assert 'at least 0:10 left' in lines(Snapshot(status(seconds_left=10, more_to_come=True)))[0]


def test_the_board_marks_ties_and_has_intervals():
    shown = lines(Snapshot(status(running=()), leaders=leaders(('a',), ('b',), ('c',), tied=2), ranked=9))
    title, first, second, third = shown[3:]
    assert title == 'the best of 9 so far (= may be the best, too)'
    assert first.split() == ['1', 'a', '0.9000', '±', '0.0100', '3', 'trials']
    assert second.split()[:2] == ['=', 'b']
    assert third.split()[:2] == ['3', 'c']


def test_those_that_are_not_comparable_are_marked():
    doubted = Leader(('b',), Interval(0.99, 0.98, 1.0), 3, False, is_comparable=False)
    shown = lines(Snapshot(status(running=()), leaders=[*leaders(('a',)), doubted], ranked=2))
    assert shown[3] == 'the best so far (? not comparable, because of its flags)'
    assert [line.split()[:2] for line in shown[4:6]] == [['1', 'a'], ['?', 'b']]


def test_where_nobody_is_tied_or_has_an_interval_none_is_spoken_of():
    shown = lines(
        Snapshot(status(running=()), leaders=leaders(('a',), ('b',), half_width=math.nan), ranked=2)
    )
    assert shown[3] == 'the best so far'
    assert '±' not in ''.join(shown) and 'nan' not in ''.join(shown)


def test_flags_are_counted_and_the_latest_named():
    latest = (16, '[x]'), ['nan_seen', 'sensitive']
    shown = lines(Snapshot(status(), flags={'sensitive': 2, 'nan_seen': 5}, latest_flags=latest))
    assert shown[-1] == 'flags: nan_seen (5), sensitive (2); the latest: 16, [x]: nan_seen, sensitive'


@pytest.mark.parametrize('width', [20, 40, 60, 100, 200])
@pytest.mark.parametrize('points', [[(16, 'relu')], [LONG, LONG], [HOSTILE, (1,)]])
def test_no_line_is_wider_than_the_terminal_and_none_is_broken(width, points):
    snapshot = Snapshot(
        status(running=[(point, 'training: trials 0-63, ' + 'and more, ' * 9) for point in points]),
        leaders=leaders(*points, tied=9), ranked=2000, flags={'a_flag_of_some_length': 3, 'b': 2},
        latest_flags=(points[0], ['a_flag_of_some_length']),
    )  # fmt: skip
    shown = lines(snapshot, width)
    assert len(shown) == 2 + 1 + len(points) + 1 + len(points) + 1
    assert max(map(cell_len, shown)) <= width
    assert '\x1b' not in ''.join(shown)


def test_where_there_is_no_room_for_names_values_are_shown_that_tell_points_apart():
    points = [NamedPoint({'hidden_layer_size': n, 'nonlinearity_between': 'relu'}) for n in (8, 16)]
    shown = lines(Snapshot(status(running=()), leaders=leaders(*points), ranked=2), 60)
    assert [line.split()[1:3] for line in shown[4:]] == [['8,', 'relu'], ['16,', 'relu']]
    wide = lines(Snapshot(status(running=()), leaders=leaders(*points), ranked=2), 120)
    assert 'hidden_layer_size=8, nonlinearity_between=relu' in wide[4]


def test_markup_is_shown_as_it_is():
    shown = '\n'.join(lines(Snapshot(status(running=[(HOSTILE, '[bold]x')])), 200))
    assert '[red]x[/]=<script>alert(1)</script>, b=two\\nlines\\x1b[2J\\r' in shown
    assert '[bold]x' in shown


@pytest.mark.parametrize('height', [8, 12, 24, 40])
def test_it_is_no_higher_than_the_terminal(height):
    running = [((n,), 'training: trial 1') for n in range(100)]
    snapshot = Snapshot(
        status(running=running), leaders=leaders(*((n,) for n in range(8))), ranked=8, flags={'x': 1}
    )
    shown = lines(snapshot, 60, height)
    assert len(shown) <= max(height, 9)
    assert any('more' in line for line in shown)


@pytest.mark.parametrize('width', [40, 60, 80, 100, 200])
def test_no_heading_and_no_number_is_cropped_at_any_width(width):
    told = [Leader(one, Interval(0.9, 0.6, 1.0), 30, True, n < 2) for n, one in enumerate([LONG, LONG, (1,)])]
    snapshot = Snapshot(
        status(
            trials=360, trials_done=128, more_to_come=True, seconds_left=3723.0,
            running=[(LONG, 'tuning, round 2')],
        ),
        elapsed=12345, leaders=told, ranked=12, flags={'nothing_learned': 3, 'sensitive': 22}, on_disk=57,
        latest_flags=(LONG, ['nothing_learned']),
    )  # fmt: skip
    bar, counted, cores, task, title, *rows, flags = lines(snapshot, width)
    assert not any('…' in line for line in (bar, counted, cores, title))
    assert counted.startswith('20/30+ tuned, 128/360+ trials, 1 failed') and task.endswith('tuning, round 2')
    assert title.startswith('the best of 12 so far') and title.count('(') == title.count(')')
    assert all(told[0].interval.text in row for row in rows) and all('30 t' in row for row in rows) == (
        width > 40
    )
    assert flags.removesuffix(', …').endswith((')', 'nothing_learned'))
