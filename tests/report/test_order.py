from hypothesis import given
from hypothesis import strategies as st

from sweeper.points import value_to_text
from sweeper.report.figures.paper import all_shown
from sweeper.report.order import value_order


@given(st.lists(st.integers() | st.floats(allow_nan=False)))
def test_numbers_are_sorted_as_numbers(values):
    cells = [value_to_text(value) for value in values]
    ordered = [float(cell.replace('Infinity', 'inf')) for cell in sorted(cells, key=value_order)]
    assert ordered == sorted(map(float, values))


def test_numbers_in_texts_and_lists_count_by_their_size():
    cells = [
        '[128]',
        '[16, 8]',
        'layer10',
        '9',
        'layer9',
        '[16, 16]',
        '10',
        'null',
        'true',
        '0.5',
        '-3',
        '1e-05',
    ]
    assert sorted(cells, key=value_order) == [
        '-3', '1e-05', '0.5', '9', '10', '[16, 8]', '[16, 16]', '[128]', 'layer9', 'layer10', 'null', 'true',
    ]  # fmt: skip


@given(st.lists(st.text(max_size=40), min_size=1, max_size=6), st.integers(5, 30))
def test_texts_that_differ_are_never_shown_alike(texts, most):
    found = all_shown(texts, most)
    assert len(set(found)) == len(set(texts))
    assert [found[texts.index(text)] for text in texts] == found


def test_words_that_all_have_are_left_out_where_shortening_would_make_labels_alike():
    names = [f'depth=3 width={width} norm=batch dropout=0.3' for width in (8, 16)]
    assert all_shown(names, 25) == ['width=8', 'width=16']
    assert all_shown(names) == names
