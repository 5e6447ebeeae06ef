import pytest

from sweeper.report.wording import duration, name, time_left
from sweeper.text import one_line


@pytest.mark.parametrize(
    ('seconds', 'shown'),
    [(0, '0:00'), (59.9, '0:59'), (61, '1:01'), (3599, '59:59'), (3723, '1:02:03'), (-5, '0:00'),
     (99 * 3600, '99:00:00'), (50 * 86400 + 3600, '50 days 1 h')],
)  # fmt: skip
def test_durations(seconds, shown):
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ('seconds', 'shown'),
    [(None, ''), (0, 'about 0:01 left'), (41.2, 'about 0:42 left'), (62, 'about 1:05 left'),
     (3723, 'about 1:03:00 left')],
)  # fmt: skip
def test_the_time_left_is_no_more_exact_than_it_is_known(seconds, shown):
    assert time_left(seconds, more_to_come=False) == shown


def test_if_more_may_come_the_time_left_is_a_lower_bound():
    assert time_left(10, more_to_come=True) == 'at least 0:10 left'


def test_a_line_stays_one_and_moves_no_cursor():
    hostile = 'a\nb\x1b[2J\r\x07\u202e\udcff\u2028'
    assert one_line(hostile) == 'a\\nb\\x1b[2J\\r\\x07\\u202e\\udcff\\u2028'
    assert one_line('größer ± 日本 [red]') == 'größer ± 日本 [red]'
    assert name(('x\ny', 3)) == 'x\\ny, 3'
