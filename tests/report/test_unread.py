"""The flag `unread` names its parameters in every form of the report."""

import csv
import io
import json

from sweeper.points import NamedPoint
from sweeper.report.document import everything, markdown, table


def test_the_parameters_that_no_code_asked_for_are_named(write_sweep):
    points = {NamedPoint(depth=1, width=2): [0.5, 0.6]}
    store = write_sweep(points, flags=['unread'], unread=['depth', 'width']).store

    (architecture,) = json.loads(everything(store))['architectures']
    assert (architecture['flags'], architecture['unread']) == (['unread'], ['depth', 'width'])
    (row,) = csv.DictReader(io.StringIO(table(store)))
    assert (row['flags'], row['unread']) == ('unread', 'depth width')
    assert 'unread (depth, width)' in markdown(store)
