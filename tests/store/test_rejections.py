"""What was rejected is read as it was written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper import NamedPoint
from sweeper.io.files import AtomicWriter
from sweeper.store.damage import DamagedFile
from sweeper.store.layout import SweepLayout
from sweeper.store.rejections import Rejections, read_rejections, write_rejections

VALUES = st.one_of(st.integers(), st.text(max_size=5), st.booleans(), st.floats(allow_nan=False), st.none())
NAMED = st.dictionaries(st.text(min_size=1, max_size=4), VALUES, min_size=1, max_size=3).map(NamedPoint)
POINTS = st.one_of(NAMED, st.lists(VALUES, max_size=3).map(tuple))
LIMITS = st.dictionaries(st.sampled_from(['parameters', 'latency']), st.floats(1e-3, 1e9))


@given(st.builds(Rejections, LIMITS, st.sampled_from([None, 'ab']), st.dictionaries(POINTS, st.text())))
def test_rejections_are_read_as_they_were_written(tmp_path_factory, rejections):
    folder = tmp_path_factory.mktemp('sweep')
    layout = SweepLayout(folder)
    write_rejections(layout, AtomicWriter(folder), rejections)
    again = read_rejections(layout)
    assert again == rejections and list(again.reasons) == list(rejections.reasons)


def test_nothing_is_rejected_where_there_is_no_such_file(tmp_path):
    assert read_rejections(SweepLayout(tmp_path)) == Rejections()


@pytest.mark.parametrize(
    'text', ['', '[]', '{"limits": {}}', '{"limits": {}, "source": "a", "rejected": [1]}']
)
def test_what_cannot_be_understood_is_damaged(text, tmp_path):
    (tmp_path / 'constraints.json').write_text(text)
    with pytest.raises(DamagedFile):
        read_rejections(SweepLayout(tmp_path))
