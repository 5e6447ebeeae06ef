"""What holds in every output: intervals within [0, 1], numbers rounded alike, harmless texts."""

import csv
import dataclasses
import io
import json
import math
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sweeper.events import Status
from sweeper.points import NamedPoint
from sweeper.report.collect import PointSummary
from sweeper.report.document import everything, markdown, table
from sweeper.report.figures.board import board
from sweeper.report.figures.training import training
from sweeper.report.live.board import Board
from sweeper.report.live.view import Snapshot, SweepView
from sweeper.report.measure import Measure
from sweeper.report.page.content import overview
from sweeper.report.table import comparison_table
from sweeper.text import one_line

TEXT = r'(\d\.\d{4})(?: ± (\d\.\d{4})| \((-?\d\.\d{4}) to (\d\.\d{4})\))'


@pytest.fixture
def extreme(write_sweep):
    """Performances at the ends of what can be, and with digits that round one way or the other."""
    draw = random.Random(0)
    values = [0.0, 1.0, 1e-9, 1 - 1e-9, 0.5, 0.123445, 0.12344949, 0.99995]
    return write_sweep({
        (index, 'relu'): [draw.choice([*values, draw.random()]) for _ in range(draw.choice([1, 2, 3, 6]))]
        for index in range(40)
    })  # fmt: skip


def printed(shown, width=200):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(shown)
    return console.export_text()


def test_no_interval_leaves_what_can_be_in_any_output(extreme):
    told = json.loads(everything(extreme.store))['architectures']
    rows = [*csv.DictReader(io.StringIO(table(extreme.store)))]
    content = overview(extreme)['rows']
    ends = [(one['perf_val_low'], one['perf_val_high']) for one in told]
    ends += [(float(row['perf_val_low'] or 'nan'), float(row['perf_val_high'] or 'nan')) for row in rows]
    ends += [(row['perf']['low'], row['perf']['high']) for row in content]
    figure = board(extreme)
    ends += [*zip(figure.lows, figure.highs, strict=True)]
    for summary in extreme.summaries:
        course = training(extreme, summary).courses['perf_val']
        ends += [*zip(course.low, course.high, strict=True)]
    live = Board()
    for summary in extreme.summaries:
        live.add(summary.params, dict(enumerate(summary.perfs)))
    ends += [(leader.interval.low, leader.interval.high) for leader in live.leaders(40)]
    known = [(low, high) for low, high in ends if low is not None and not math.isnan(low)]
    assert len(known) > 100
    assert all(0 <= low <= high <= 1 for low, high in known)
    shown = printed(comparison_table(extreme.summaries, extreme.columns)), markdown(extreme.store)
    for summary in extreme.summaries:
        found = re.fullmatch(TEXT, summary.perf_val.text)
        assert found or math.isnan(summary.perf_val.low)
        assert summary.perf_val.text in shown[0] and str(summary.perf_val) in shown[1]
        if found:
            mean, half, low, high = (float(one or 'nan') for one in found.groups())
            low, high = (mean - half, mean + half) if math.isnan(low) else (low, high)
            assert -1.5e-4 <= low <= high <= 1 + 1.5e-4


def test_page_terminal_and_documents_round_alike(extreme):
    shown = printed(comparison_table(extreme.summaries, extreme.columns))
    for summary, row in zip(extreme.summaries, overview(extreme)['rows'], strict=True):
        assert row['perf']['text'] == summary.perf_val.text and summary.perf_val.text in shown
        assert row['trial_texts'] == [f'{perf:.4f}' for perf in summary.perfs]
        ordered = sorted(summary.perfs)
        middle = ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1]
        assert row['median_text'] == f'{sum(middle) / len(middle):.4f}'


@given(st.text(max_size=12), st.text(max_size=12), st.sampled_from([40, 80, 200]))
def test_names_and_values_of_any_letters_leave_every_line_a_line(name, value, width):
    summary = PointSummary(
        params=(value,), cells=[value], lr_range=(0.1, 0.2), batch_size=8, perfs=[0.5, 0.6],
        perf_val=Measure().interval([0.5, 0.6]), loss_val=Measure().interval([0.5, 0.6]), perf_test=None,
        seconds=1.0, epochs=1, flags=[value], cost=None, error=None, unread=[name], command=1,
    )  # fmt: skip
    two = [summary, dataclasses.replace(summary, flags=['unread'], command=2)]
    point = NamedPoint({name or 'a': value})
    status = Status(1, 1, 0, 1, 0, [(point, value)], False)
    view = SweepView(Snapshot(status, flags={value: 1}, latest_flags=(point, [name])))
    for shown in (comparison_table(two, [name], (), [value, name], {(value,)}), view):
        assert all(line.isprintable() for line in printed(shown, width).split('\n'))
    assert one_line(value).isprintable()
