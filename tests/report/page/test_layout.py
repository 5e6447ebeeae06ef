"""The page at the widths of a phone, a tablet, a laptop and a large screen: nothing is cut off or covered."""

import numpy as np
import pytest

from sweeper.points import NamedPoint
from sweeper.report.figures.tuning import tuning
from sweeper.report.page.writing import report_page
from sweeper.results import ModelCost

pytestmark = pytest.mark.slow

WIDTHS = 400, 800, 1400, 1920
CUT_OFF = """[...document.querySelectorAll('main *, header *')].filter((node) =>
    node.clientWidth && node.scrollWidth > node.clientWidth + 1
    && !['auto', 'scroll'].includes(getComputedStyle(node).overflowX) && !node.matches('.frame')
    && !node.matches(':has(.frame)') && !node.closest('.figure, .across, .scroll')
    || node.matches('td, th, td *, th *') && node.scrollWidth > node.clientWidth + 1 && node.clientWidth,
).map((node) => node.outerHTML.slice(0, 200))"""
HIDDEN = """[...document.querySelectorAll('.scroll')].map((node) =>
    [node.scrollWidth > node.clientWidth + 1, node.parentNode.matches('.more-right'),
     getComputedStyle(node.parentNode.nextSibling).display === 'block'])"""
OUTSIDE = """[...document.querySelectorAll('.frame')].filter((node) => {
    const { left, right } = node.getBoundingClientRect(); return left < 0 || right > innerWidth; }).length"""
COVERED = """(node) => {
    const [legend, bar] = ['.legend', '.modebar'].map((name) => node.querySelector(name));
    if (!legend) return null;
    const [a, b] = [legend, bar].map((one) => one.getBoundingClientRect());
    return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom; }"""


@pytest.fixture
def wide(write_sweep):
    """More columns than any screen has room for, long names, long values, and a legend of many lines."""
    kinds = ('torch.nn.modules.activation.LeakyReLU', 'a value in many words, ' * 8, 'x' * 300)
    points = {
        NamedPoint(depth=depth, width=width, activation=kind, **{'n' * 60: 0.25, 'kernel_size': 3}): [
            0.8 + depth / 100 + width / 1000, 0.9,
        ]
        for depth in (1, 2) for width in (64, 128) for kind in kinds
    }  # fmt: skip
    cost = ModelCost(parameters=322848, trainable_parameters=322848, flops=123456789)
    nuisance = {point: {'momentum': 0.9, 'weight_decay': 1e-4, 'smoothing': 0.1} for point in points}
    return write_sweep(points, nuisance=nuisance, cost=cost, flags=['barely_learned', 'sensitive'])


def settled(tab):
    """Draws every figure, and waits until the page is laid out."""
    figures = tab.locator('.figure:visible')
    for index in range(figures.count()):
        figures.nth(index).scroll_into_view_if_needed()
        figures.nth(index).locator('.main-svg, canvas').first.wait_for(state='attached')
    tab.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))')
    return figures.all()


@pytest.mark.parametrize('width', WIDTHS)
@pytest.mark.parametrize('sweep', ['grid', 'wide'])
def test_no_text_is_cut_off_and_tables_that_scroll_say_so(request, open_page, sweep, width):
    tab = open_page(report_page(request.getfixturevalue(sweep)), width=width)
    settled(tab)
    assert tab.evaluate('document.documentElement.scrollWidth') <= width
    assert tab.evaluate(CUT_OFF) == []
    assert tab.evaluate(OUTSIDE) == 0
    told = tab.evaluate(HIDDEN)
    assert all(scrolls == shaded == says for scrolls, shaded, says in told)
    if sweep == 'wide':
        assert told[0][0]
    elif width >= 1400:
        assert not any(scrolls for scrolls, *_ in told)
    assert tab.errors == []


@pytest.mark.long
@pytest.mark.parametrize('width', WIDTHS)
@pytest.mark.parametrize('sweep', ['grid', 'wide'])
def test_the_tool_bar_covers_no_legend(request, open_page, sweep, width):
    tab = open_page(report_page(request.getfixturevalue(sweep)), width=width)
    found = [figure.evaluate(COVERED) for figure in settled(tab)]
    assert True not in found and False in found
    plots = tab.evaluate(
        "[...document.querySelectorAll('.figure:has(.legend)')].map((one) => one._fullLayout._size.h)"
    )
    assert min(plots) > 120, 'a legend leaves room for what it explains'


def test_numbers_at_the_edge_of_the_board_are_whole_or_visibly_covered(wide, open_page):
    tab = open_page(report_page(wide), width=1400)
    tab.locator('#board .scroll').evaluate('(node) => { node.scrollLeft = node.scrollWidth; }')
    tab.locator('#board .frame.more-left:not(.more-right)').wait_for()
    assert '323 k' in tab.locator('#board tbody').inner_text()


def test_rates_below_all_of_the_last_round_are_explained(write_sweep, open_page):
    lower = write_sweep({(16, 'relu'): [0.5, 0.6]})
    (one,) = lower.summaries
    assert tuning(lower, one).note == '', '0.1 was compared'
    curve = {'round': [0, 1, 1], 'lr': [0.1, 0.2, 0.4], 'batch_size': [16] * 3, 'steps': [5, 5, 5]}
    path = lower.store.files(one.params).curve('candidates')
    assert path.exists()
    np.savez(path, **{**curve, 'loss': [1, 1, 1], 'perf': [0.5, 0.6, 0.7]})
    note = tuning(lower, one).note
    assert note == (
        'The highest of these, 0.1, was set below all of the last round (0.2 to 0.4), because trials are '
        'longer than those trainings, and the best learning rate falls as training gets longer.'
    )
    tab = open_page(report_page(lower))
    assert note in tab.locator('#architecture-1').inner_text()
    curve['steps'] = [5, 5000, 5000]
    np.savez(path, **{**curve, 'loss': [1, 1, 1], 'perf': [0.5, 0.6, 0.7]})
    assert tuning(lower, one).note.endswith('because slightly higher learning rates did much worse.')
