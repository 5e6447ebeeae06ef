"""The page, opened in a browser: it draws, sorts, searches, and does nothing that a name tells it to."""

import random
import re

import numpy as np
import pytest

from sweeper.points import NamedPoint
from sweeper.report.findings import Findings
from sweeper.report.page.content import overview, views
from sweeper.report.page.writing import report_page

from ..conftest import trial

pytestmark = pytest.mark.slow

SCRIPT = '<script>alert(1)</script>'
IMAGE = '"><img src=x onerror=alert(2)>'


def column(tab, index):
    cells = f'#board tbody tr:not([hidden]) td:nth-child({index})'
    return [text.strip() for text in tab.locator(cells).all_inner_texts()]


def draw_all(tab):
    """Scrolls to every figure and waits until it is drawn; returns how many there are."""
    figures = tab.locator('.figure:visible')
    for index in range(figures.count()):
        figures.nth(index).scroll_into_view_if_needed()
        figures.nth(index).locator('.main-svg, canvas').first.wait_for(state='attached')
    return figures.count()


def shows(place, *texts):
    """Waits for texts: what follows a link or opens comes by an event of its own, after the click."""
    expect = pytest.importorskip('playwright.sync_api').expect
    for text in texts:
        expect(place).to_contain_text(text)


def test_every_section_is_there_and_every_figure_draws(grid, open_page):
    tab = open_page(report_page(grid))
    assert tab.locator('#answer').inner_text() == grid.comparison.answer()
    titles = tab.locator('section > h2').all_inner_texts()
    assert titles == [
        'Leader board', 'Performance against each parameter', 'What the performance depends on',
        'Two parameters together', 'Performance against cost', 'Each architecture', 'How to reproduce',
    ]  # fmt: skip
    assert draw_all(tab) == 6  # parameter, heat map, cost; range test, candidates and trials of the best
    assert tab.locator('.figure .errorbar').count() > 0
    assert tab.locator('#contents a').all_inner_texts() == titles
    assert tab.errors == []


def test_effects_are_without_noise_and_say_what_is_left_out(write_sweep, open_page):
    rng = np.random.default_rng(0)
    points = {
        (hidden, kind): (0.9 + 0.01 * np.log2(hidden) + rng.normal(0, 0.004, 4)).tolist()
        for hidden in (4, 8, 16, 32) for kind in ('relu', 'tanh', 'elu')
    }  # fmt: skip
    tab = open_page(report_page(write_sweep(points)))
    shows(
        tab.locator('#influence'),
        'Shares of the variance between architectures, without that of noise between trials. '
        'No effect beyond noise: ',
    )
    assert tab.locator('#influence .bar').count() == 1
    points[4, 'elu'] = [0.6, 0.61, 0.6, 0.6]
    tab = open_page(report_page(write_sweep(points)))
    shows(
        tab.locator('#influence'), 'hidden=4 nonlinearity=elu is left out, which nearly all of the variance'
    )
    shows(tab.locator('body'), 'of the variance between architectures is due to a single one, hidden=4')
    assert tab.errors == []


def test_it_asks_for_nothing_but_itself(grid, open_page):
    tab = open_page(report_page(grid))
    draw_all(tab)
    assert [url for url in tab.requests if not url.startswith(('data:', 'blob:'))] == [tab.url]


def test_the_table_sorts_by_numbers_and_back_and_tells_which_way(grid, open_page):
    tab = open_page(report_page(grid))
    assert column(tab, 1) == ['1', '2', '3', '4', '5', '6']
    hidden = tab.locator('thead button', has_text='hidden')
    hidden.click()
    assert column(tab, 2) == ['16', '16', '32', '32', '64', '64']
    assert tab.locator('th[aria-sort=ascending]').inner_text().startswith('hidden')
    hidden.click()
    assert column(tab, 2) == ['64', '64', '32', '32', '16', '16']
    tab.locator('thead button', has_text='validation').click()
    assert column(tab, 1) == ['1', '2', '3', '4', '5', '6']
    tab.locator('thead button', has_text='nonlinearity').click()
    assert column(tab, 3) == ['relu'] * 3 + ['tanh'] * 3


def test_the_search_narrows_the_table_and_the_list_below(grid, open_page):
    tab = open_page(report_page(grid))
    tab.get_by_role('searchbox').fill('tanh hidden=32')
    assert column(tab, 2) == ['32'] and column(tab, 3) == ['tanh']
    assert tab.locator('details.architecture:visible').count() == 1
    tab.get_by_role('searchbox').fill('nothing like it')
    assert column(tab, 2) == []
    tab.get_by_role('searchbox').fill('')
    assert len(column(tab, 2)) == 6


def test_those_that_may_be_the_best_are_marked(grid, open_page):
    tab = open_page(report_page(grid))
    assert tab.locator('#board tr.first').count() == len(grid.comparison.first)
    assert 'confidence interval (moderated t)' in tab.locator('#board .explain').first.inner_text()


def test_an_architecture_opens_with_its_tuning_and_trials(grid, open_page):
    tab = open_page(report_page(grid))
    tab.locator('#board tbody a').nth(2).click()
    found = tab.locator('#architecture-3')
    shows(found, 'it is best')
    text = found.inner_text()
    assert found.locator('figcaption').all_inner_texts() == [
        'Range test', 'Candidates, trained briefly and compared',
    ]  # fmt: skip
    assert 'Left:' not in text, 'on a phone they are below each other'
    assert 'it is best' in text and '0.01 to 0.1, at batch size 16' in text and 'perf_val' in text
    draw_all(tab)
    assert tab.errors == []


def test_what_was_tuned_besides_is_a_column_to_sort_and_search_by(declared, open_page):
    tab = open_page(report_page(declared))
    headings = tab.locator('#board thead th').all_inner_texts()
    at = headings.index('momentum')
    assert headings[at - 1] == 'batch'
    assert column(tab, at + 1) == ['0.9', '0.0']
    tab.locator('#board thead button', has_text='momentum').click()
    assert column(tab, at + 1) == ['0.0', '0.9']
    tab.get_by_role('searchbox').fill('momentum=0.9')
    assert column(tab, at + 1) == ['0.9'] and column(tab, 2) == ['8']
    assert 'its own learning rate, batch size and momentum' in tab.locator('#kind').inner_text()
    assert tab.errors == []


def test_where_parameters_are_declared_is_a_section_and_in_the_headings_tooltips(declared, open_page):
    tab = open_page(report_page(declared))
    rows = [row.locator('td').all_inner_texts() for row in tab.locator('#declared tbody tr').all()]
    assert rows == [
        ['width', 'compared', '8', 'layers.py:18'],
        ['depth', 'the same for all', '', 'argument of model()'],
        ['momentum', 'tuned for each architecture', '0.0', 'cnn.py:30, layers.py:7, layers.py:9'],
    ]
    assert 'Parameters' in tab.locator('#contents a').all_inner_texts()
    headings = tab.locator('#board thead button').all()
    titles = {one.inner_text(): one.get_attribute('title') for one in headings}
    assert titles['width'] == 'compared; default 8; layers.py:18'
    assert titles['depth'] == 'the same for all; argument of model()'
    assert titles['momentum'].startswith('tuned for each architecture; default 0.0; cnn.py:30, ')
    assert titles['batch'] is None


def test_of_arguments_alone_nothing_is_told(grid, open_page):
    tab = open_page(report_page(grid))
    assert tab.locator('#declared').count() == 0
    hints = tab.locator('#board thead button[title]').all()
    assert [hint.inner_text() for hint in hints] == ['behind the best']
    assert tab.locator('#kind').inner_text().endswith('its own learning rate and batch size')


def test_candidates_with_different_nuisance_parameters_are_not_joined_and_say_which(declared, open_page):
    tab = open_page(report_page(declared))
    draw_all(tab)
    found = tab.locator('#architecture-1')
    assert 'How learning rate, batch size and momentum were chosen' in found.inner_text()
    assert 'at batch size 16, momentum 0.9, for 10 epochs.' in found.inner_text()
    assert found.locator('dl', has_text='nuisance').inner_text().count('momentum 0.9') == 1
    traces = tab.evaluate("""document.querySelectorAll('#architecture-1 .pair .figure')[1].data
        .map(({ x, name, text, showlegend }) => [x, name, text[0], showlegend])""")
    assert traces == [
        [[0.1], 'round 1, batch 16', '5 steps, batch size 16, momentum 0.9, loss 1', True],
        [[0.2], 'round 1, batch 16', '5 steps, batch size 16, momentum 0.5, loss 2', False],
    ]  # fmt: skip
    assert tab.errors == []


def test_lengths_of_trials_are_no_column_where_they_are_the_same(grid, open_page):
    assert 'epochs' not in open_page(report_page(grid)).locator('#board thead').inner_text()


def test_lengths_of_trials_are_a_column_where_they_differ(write_sweep, open_page):
    findings = write_sweep({(16, 'relu'): [0.9, 0.8], (32, 'relu'): [0.7, 0.6]}, lengths=(10, 20))
    tab = open_page(report_page(findings))
    headings = tab.locator('#board thead th').all_inner_texts()
    cells = [row.locator('td').all_inner_texts() for row in tab.locator('#board tbody tr').all()]
    assert [row[headings.index('epochs')] for row in cells] == ['10', '20']
    assert tab.locator('#kind').inner_text().endswith('learning rate, batch size and length of training')
    assert 'Trials are 10 to 20 epochs long' in tab.locator('#notes').inner_text()
    assert tab.errors == []


def test_how_sure_the_choice_is_stands_beside_its_reason(write_sweep, open_page):
    points = {NamedPoint(depth=1, width=2): [0.5, 0.6]}
    tab = open_page(report_page(write_sweep(points, scored_on='held-out', probability_best=0.75)))
    draw_all(tab)
    text = tab.locator('#architecture-1').inner_text()
    assert 'it is best. The probability that this candidate is the best of its round is 0.75.' in text
    assert 'Candidates were scored on training data that they were not trained on.' in text
    assert 'on held-out training data' in text
    assert tab.errors == []


def test_a_flag_says_which_parameters_no_code_asked_for(write_sweep, open_page):
    points = {NamedPoint(depth=1, width=2): [0.5, 0.6]}
    tab = open_page(report_page(write_sweep(points, flags=['unread'], unread=['depth', IMAGE])))
    found = tab.locator('#architecture-1')
    found.locator('.flag').wait_for()
    assert f'it makes no difference here (depth, {IMAGE})' in found.inner_text()
    assert tab.errors == []


def test_what_is_declared_and_tuned_is_shown_and_not_run(write_sweep, open_page):
    point, other = NamedPoint({SCRIPT: 1}), NamedPoint({SCRIPT: 2})
    told = {'role': 'fixed', 'default': IMAGE, 'places': [f'{SCRIPT}.py:1', IMAGE]}
    tab = open_page(report_page(write_sweep(
        {point: [0.5, 0.6], other: [0.7]}, declared={SCRIPT: told, IMAGE: told, '__proto__': told},
        nuisance={point: {IMAGE: SCRIPT, '__proto__': 'x'}, other: {IMAGE: '<b>bold</b>'}},
    )))  # fmt: skip
    draw_all(tab)
    tab.locator('details.architecture summary').last.click()
    draw_all(tab)
    assert tab.locator('#declared tbody tr').count() == 3
    hovers = str(tab.evaluate("[...document.querySelectorAll('.pair .figure')].map((one) => one.data)"))
    assert '<img' not in hovers and '&lt;img' in hovers  # plotly reads tags
    assert f'{SCRIPT}.py:1, {IMAGE}' in tab.locator('#declared').inner_text()
    assert '<b>bold</b>' in tab.locator('#board tbody').inner_text()
    assert tab.locator('main img, main b:not(.flag), main script').count() == 0
    assert tab.errors == []


def test_names_and_values_of_users_are_shown_and_not_run(write_sweep, open_page):
    names = (SCRIPT, IMAGE, '$\\alpha$', '</script><b>', '<a href="javascript:alert(3)">x</a>')
    points = {
        NamedPoint(dict.fromkeys(names, value)): [0.5 + 0.1 * index, 0.6]
        for index, value in enumerate([SCRIPT, IMAGE, '<b>bold</b>\n&amp;'])
    }
    failure = NamedPoint(dict.fromkeys(names, '<i>no</i>'))
    tab = open_page(report_page(write_sweep(points, failures=[failure], why=f'because {IMAGE}')))
    draw_all(tab)
    tab.get_by_role('button', name=SCRIPT, exact=True).click()
    tab.locator('details.architecture summary').last.click()
    draw_all(tab)
    assert SCRIPT in tab.locator('#board thead').inner_text()
    assert SCRIPT[:20] in tab.locator('#parameters svg.main-svg').first.text_content()
    shows(tab.locator('details.architecture').last, 'Traceback: <b>here</b>')
    assert tab.locator('main img, main b.injected, main script, main a[href^=javascript]').count() == 0
    assert tab.locator('svg a').count() == 0
    assert tab.errors == []


def test_failures_are_told_with_their_traceback(write_sweep, open_page):
    tab = open_page(report_page(write_sweep({(16, 'relu'): [0.9, 0.8]}, failures=[(-1, 'relu')])))
    section = tab.locator('#failures')
    assert '1 of 2 architectures failed' in section.inner_text()
    section.get_by_role('link').click()
    shows(tab.locator('details.architecture[open]').last, 'no such width', 'Traceback: <b>here</b>')
    assert tab.errors == []


@pytest.mark.parametrize('points', [{(16, 'relu'): []}, {(16, 'relu'): [0.5]}, {(): [0.5, 0.6]}])
def test_little_is_shown_as_little(write_sweep, open_page, points):
    tab = open_page(report_page(write_sweep(points)))
    draw_all(tab)
    assert tab.locator('#board tbody tr').count() == len(points)
    assert tab.errors == []


def test_three_parameters_have_parallel_coordinates_and_a_heat_map_per_pair(write_sweep, open_page):
    points = {
        NamedPoint(a=a, b=b, c=c): [a + b / 1000, a] for a in (0.1, 0.2) for b in (1, 100) for c in 'xy'
    }
    tab = open_page(report_page(write_sweep(points)))
    assert tab.locator('#heat-map option').all_inner_texts() == ['b by a', 'c by a', 'c by b']
    tab.locator('#heat-map select').select_option('2')
    draw_all(tab)
    assert tab.locator('#parallel .parcoords').count() > 0
    assert 'a' in tab.locator('#heat-map').inner_text()
    assert tab.errors == []


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_a_phone_need_not_scroll_sideways_and_the_dark_is_dark(grid, open_page, scheme):
    tab = open_page(report_page(grid), width=400, color_scheme=scheme)
    draw_all(tab)
    assert tab.evaluate('document.documentElement.scrollWidth') <= 400
    red = int(re.match(r'rgb\((\d+)', tab.evaluate('getComputedStyle(document.body).backgroundColor'))[1])
    assert (red > 200) if scheme == 'light' else (red < 60)
    ink = tab.evaluate("getComputedStyle(document.querySelector('.figure text')).fill")
    assert ink != tab.evaluate('getComputedStyle(document.body).backgroundColor')
    assert tab.errors == []


@pytest.mark.long
def test_a_thousand_architectures_are_a_page_of_moderate_size(write_sweep, open_page):
    kinds = ('relu', 'tanh')
    points = {(hidden, kind): [0.5 + hidden / 2000, 0.6, 0.55] for hidden in range(500) for kind in kinds}
    text = report_page(write_sweep(points))
    assert len(text.encode()) < 15e6
    tab = open_page(text)
    assert tab.locator('#board tbody tr').count() == 100
    tab.get_by_role('button', name='Show all 1000').first.click()
    assert tab.locator('#board tbody tr').count() == 1000
    tab.get_by_role('searchbox').fill('hidden=499')
    assert len(column(tab, 1)) == 2
    assert tab.errors == []


LONG = 'torch.nn.modules.activation.LeakyReLU of a slope of '


def test_labels_and_numbers_beside_each_other_are_never_alike(write_sweep, open_page):
    first, second = 'n' * 30 + 'a', 'n' * 30 + 'b'
    points = {
        NamedPoint({first: big, second: f'{LONG}{slope}', 'c': c}): [0.5 + c / 10 + slope / 10]
        for big in (1234567, 1234568) for slope in (0.1, 0.2) for c in (0.300001, 0.300002)
    }  # fmt: skip
    tab = open_page(report_page(write_sweep(points)))
    draw_all(tab)
    ticks = tab.evaluate("""[...document.querySelectorAll('#parameters .figure, #heat-map .figure')].flatMap(
        (one) => [one.layout.xaxis.ticktext, one.layout.yaxis.ticktext || [1, 2]])""")
    dimensions = tab.evaluate("document.querySelector('#parallel .figure').data[0].dimensions")
    ticks += [one['ticktext'] for one in dimensions[:-1]] + [[one['label'] for one in dimensions]]
    assert len(ticks) == 8 and all(len(set(texts)) == len(texts) > 1 for texts in ticks)
    assert ['1234567', '1234568'] in ticks and ['0.300001', '0.300002'] in ticks
    names = tab.evaluate("document.querySelector('#parameters .figure').data.map((one) => one.name)")
    assert len(set(names)) == len(names) == 4
    assert tab.errors == []


def test_what_is_not_comparable_is_marked_or_left_out_of_every_figure(write_sweep, open_page):
    points = {
        NamedPoint(a=a, b=b, c=c): [0.5 + a / 10 + b / 50 + c / 100, 0.52 + a / 10 + b / 50 + c / 100]
        for a in (1, 2) for b in (1, 2) for c in (1, 2)
    }  # fmt: skip
    points[NamedPoint(a=2, b=2, c=2)] = [0.1, trial(0.0, diverged=True)]
    tab = open_page(report_page(write_sweep(points)))
    draw_all(tab)
    traces = tab.evaluate(
        "document.querySelector('#parameters .figure').data.map(({ name, x }) => [name, x])"
    )
    assert traces[-1] == ['not comparable', [2]] and sum(len(x) for _, x in traces) == 8
    assert 'Orange crosses are not comparable.' in tab.locator('#parameters .explain').inner_text()
    told = 'One architecture that is not comparable is left out.'
    for section in ('heat-map', 'parallel'):
        assert told in tab.locator(f'#{section} .explain').first.inner_text()
    cells = tab.evaluate("document.querySelector('#heat-map .figure').data[0].hovertext.flat()")
    assert [text.rpartition(' ')[2] for text in cells] == ['2', '2', '2', '1']
    lines = tab.evaluate("document.querySelector('#parallel .figure').data[0].dimensions[0].values")
    assert len(lines) == 7
    assert tab.errors == []


def test_values_are_sorted_by_size_wherever_they_are_numbers(write_sweep, open_page):
    values = ['auto', 16, 9, 1e-5, 'layers 10', 'layers 9', 100000.0]
    points = {NamedPoint(width=value): [0.5 + index / 50] for index, value in enumerate(values)}
    tab = open_page(report_page(write_sweep(points)))
    tab.locator('thead button', has_text='width').click()
    rising = ['1e-05', '9', '16', '100000.0', 'auto', 'layers 9', 'layers 10']
    assert column(tab, 2) == rising
    tab.locator('thead button', has_text='width').click()
    assert column(tab, 2) == rising[::-1]


COMMANDS = (
    ('sweeper run digits --grid n=1,2', [(1, 'relu'), (2, 'relu')]),
    ('sweeper run digits --point n=3', [(3, 'relu')]),
)


def test_the_page_has_a_column_and_the_list(made_by, open_page):
    tab = open_page(report_page(made_by(*COMMANDS)))
    heads = tab.locator('#board thead th').all_inner_texts()
    rows = tab.locator('#board tbody tr').all()
    assert [row.locator('td').all_inner_texts()[heads.index('command')] for row in rows] == ['2', '1', '1']
    assert tab.locator('#board .commands li').all_inner_texts() == [command for command, _ in COMMANDS]
    tab.locator('#board input').fill('command=2')
    assert tab.locator('#board tbody tr').count() == 1
    assert tab.errors == []


def test_the_page_of_one_command_has_neither(made_by, open_page):
    tab = open_page(report_page(made_by(COMMANDS[0])))
    assert 'command' not in tab.locator('#board thead').inner_text()
    assert tab.locator('#board .commands').count() == 0


def test_labels_of_figures_that_differ_are_never_cut_to_the_same_text(grid, open_page):
    draw = random.Random(0)
    cases = [
        [
            [
                ''.join(draw.choices('ab =.\u00e4<&$', k=draw.choice([3, 20, 90])))
                for _ in range(draw.randint(1, 6))
            ],
            draw.randint(8, 60),
        ]
        for _ in range(500)
    ]
    tab = open_page(report_page(grid))
    shown = tab.evaluate('(cases) => cases.map(([texts, most]) => labels(texts, most))', cases)
    for (texts, _), found in zip(cases, shown, strict=True):
        assert len(set(found)) == len(set(texts)), texts


def test_another_metric_can_be_looked_at_in_its_own_direction(by_cost, open_page):
    tab = open_page(report_page(by_cost))
    chooser = tab.locator('#metric select')
    assert chooser.locator('option').all_inner_texts() == ['cost (objective)', 'loss', 'auc']
    assert 'cost is the objective: learning rates were tuned by it.' in tab.locator('#metric').inner_text()
    assert column(tab, 2) == ['16', '2', '99']
    assert column(tab, 3)[2] == 'diverged'
    assert 'optimistic' in tab.locator('#board .explain').first.inner_text()
    headings = tab.locator('#board thead th').all_inner_texts()
    assert column(tab, headings.index('best epoch') + 1)[0] == '11.4167 (epoch 5)'
    tab.locator('thead button', has_text='validation cost').click()
    assert column(tab, 2) == ['16', '2', '99'], 'the lowest first'
    draw_all(tab)
    chooser.select_option('2')
    shows(tab.locator('#answer'), 'auc 0.3050')
    assert tab.locator('#answer').inner_text() == Findings.read(by_cost, 'auc').comparison.answer()
    assert column(tab, 1) == ['1', '2', '3'] and column(tab, 2) == ['2', '16', '99']
    assert 'Learning rates were tuned by cost, the objective.' in tab.locator('#metric').inner_text()
    assert tab.locator('section > h2').all_inner_texts()[1] == 'auc against each parameter'
    assert draw_all(tab) > 3
    chooser.select_option('0')
    shows(tab.locator('#answer'), 'cost 12.4167 (lower is better; ')
    assert column(tab, 2) == ['16', '2', '99'] and draw_all(tab) > 3
    assert tab.errors == []


def test_what_differs_by_metric_follows_the_rows(by_cost):
    findings = Findings.read(by_cost)
    shown, (loss, auc) = overview(findings), views(findings)
    assert auc['order'] == [1, 0, 2] and loss['metric']['higher'] is False
    assert [row['perf']['mean'] for row in auc['rows']] == [0.12417, 0.305, auc['rows'][2]['perf']['mean']]
    assert shown['rows'][2]['perf']['mean'] is None and shown['rows'][2]['perf']['text'] == 'diverged'
    assert shown['costs'][2]['front'] == [True, False, False]
    assert auc['costs'][2]['front'] == [False, True, False]
