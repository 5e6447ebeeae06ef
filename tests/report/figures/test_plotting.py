"""Figures by name: what may be asked for, and what files they become."""

import sys
from xml.etree import ElementTree

import pytest

from sweeper.errors import FolderError, InvalidArgument, MissingExtra
from sweeper.points import NamedPoint
from sweeper.report.figures.chosen import chosen
from sweeper.report.figures.paper import FORMATS, save_figure
from sweeper.report.figures.plotting import KINDS, plot
from sweeper.results import ModelCost

pytestmark = pytest.mark.slow


@pytest.mark.parametrize('kind', KINDS)
def test_a_folder_will_do(grid, kind):
    assert plot(grid.store.layout.folder, kind).axes


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('points', [{(1, 'a'): [0.5]}, {(1, 'a'): [0.5], (2, 'a'): [0.5]}], ids=len)
def test_the_least_there_is_can_be_drawn_or_what_lacks_is_said(write_sweep, kind, points):
    findings = write_sweep(points, failures=[(-1, 'a')])
    if kind == 'effects' or (kind in ('parallel', 'differences') and len(points) == 1):
        with pytest.raises(InvalidArgument, match=r'not known|no parameter has more than one|fewer than two'):
            plot(findings, kind)
    else:
        assert plot(findings, kind).axes


@pytest.mark.parametrize('kind', KINDS)
def test_before_the_first_trial_there_is_nothing_to_show(write_sweep, kind):
    with pytest.raises(InvalidArgument, match='nothing to show yet: no architecture has trials'):
        plot(write_sweep({(1, 'a'): []}), kind)


def test_tuning_is_shown_before_the_first_trial_if_asked_for(write_sweep):
    findings = write_sweep({(1, 'a'): []}, failures=[(-1, 'a')])
    assert plot(findings, 'tuning', points='0').axes
    with pytest.raises(InvalidArgument, match='hidden=-1 nonlinearity=a is not tuned'):
        plot(findings, 'tuning', points=[1])
    with pytest.raises(InvalidArgument, match='hidden=1 nonlinearity=a has no trials'):
        plot(findings, 'training', points=[0])


@pytest.mark.parametrize(
    ('kind', 'options', 'message'),
    [
        ('bord', {}, "there is no figure of the kind bord; valid are board, differences, parameter"),
        ('board', {'x': 'hidden'}, "x='hidden' goes with parameter and heatmap, not with board"),
        ('heatmap', {'points': '3'}, r"points=\['3'\] goes with tuning and training"),
        ('parameter', {'x': 'depth'}, "there is no parameter depth; valid are hidden, nonlinearity"),
        ('heatmap', {'x': 'hidden', 'y': 'hidden'}, 'this figure needs 2 different parameters'),
        ('cost', {'cost': 'money'}, "there is no cost money; valid are parameters, flops, seconds"),
        ('cost', {'cost': 'flops'}, 'FLOPs .* of no architecture are known; known are seconds'),
        ('tuning', {'points': '6'}, 'no point 6; ids go from 0 to 5'),
        ('tuning', {'points': list(range(9))}, '9 points are too many'),
        ('training', {'points': 'hidden=17'}, 'no architecture has hidden=17; there are 16, 32, 64'),
        ('training', {'points': 'hidden=16'}, "hidden=16 matches 2 architectures: .*; be more specific"),
        ('training', {'points': 'width=16'}, "cannot tell .* \"width=16\" .*such as hidden=64,nonl"),
        ('board', {'width': 0.1}, 'width=0.1: must be from 2 to 20 inches'),
        ('board', {'width': float('nan')}, 'width=nan'),
    ],
)  # fmt: skip
def test_wrong_input_is_named_with_what_is_valid(grid, kind, options, message):
    with pytest.raises(InvalidArgument, match=message):
        plot(grid, kind, **options)


def test_what_can_be_wrong_without_the_folder_is_told_before_reading_it(tmp_path):
    with pytest.raises(InvalidArgument, match='no figure of the kind bord'):
        plot(tmp_path, 'bord')
    with pytest.raises(FolderError, match='holds no sweep'):
        plot(tmp_path, 'board')


def test_without_matplotlib_it_is_said_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'matplotlib', None)
    with pytest.raises(MissingExtra, match=r"pip install 'fair-sweeper\[plot\]'"):
        plot(tmp_path, 'board')


def test_the_parameter_that_matters_most_is_shown_unless_another_is_asked_for(write_sweep):
    points = {
        (hidden, kind): [0.5 + hidden / 100 + 0.2 * (kind == 'b')] for hidden in (1, 2) for kind in 'ab'
    }
    findings = write_sweep(points)
    assert plot(findings, 'parameter').axes[0].get_xlabel() == 'nonlinearity'
    heat_map = plot(findings, 'heatmap').axes[0]
    assert (heat_map.get_xlabel(), heat_map.get_ylabel()) == ('nonlinearity', 'hidden')
    heat_map = plot(findings, 'heatmap', y='nonlinearity').axes[0]
    assert (heat_map.get_xlabel(), heat_map.get_ylabel()) == ('hidden', 'nonlinearity')


def test_where_effects_are_not_known_a_swept_parameter_is_shown(write_sweep):
    findings = write_sweep({(1, 'a'): [0.5], (1, 'b'): [0.5]})
    assert plot(findings, 'parameter').axes[0].get_xlabel() == 'nonlinearity'


def test_why_effects_are_not_known_is_said(write_sweep):
    findings = write_sweep({(1, 'a'): [0.5], (2, 'b'): [0.6]})
    why = findings.comparison.influences.unknown
    assert why
    with pytest.raises(InvalidArgument) as caught:
        plot(findings, 'effects')
    assert str(caught.value) == f'the effects of the parameters are not known: {why}'


@pytest.mark.parametrize(('known', 'shown'), [(True, 'parameters'), (False, 'seconds per epoch')])
def test_of_costs_the_first_that_is_known_is_shown(write_sweep, known, shown):
    costs = ModelCost(120, 100, None)
    findings = write_sweep({(1, 'a'): [0.9]}, **({'cost': costs} if known else {}))
    assert plot(findings, 'cost').axes[0].get_xlabel() == shown


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('2', 2),
        (' 0 ', 0),
        ('layers=[8, 8],act=relu', 0),
        ('layers=(8,8),act=relu', 0),
        ('layers=[8, 8] act=tanh', 1),
        ('act=tanh, layers=(8, 8)', 1),
        ('layers=auto', 2),
        ('layers=None', 3),
        ('act=a,b=c', 2),
    ],
)
def test_an_architecture_is_meant_by_its_id_or_by_what_tells_it_from_others(write_sweep, text, expected):
    points = [
        NamedPoint(layers=(8, 8), act='relu'), NamedPoint(layers=(8, 8), act='tanh'),
        NamedPoint(layers='auto', act='a,b=c'), NamedPoint(layers=None, act='gelu'),
    ]  # fmt: skip
    findings = write_sweep({point: [0.5] for point in points})
    assert chosen(findings, text).params == points[expected]


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('image', FORMATS)
def test_the_same_sweep_gives_the_same_bytes(grid, tmp_path, kind, image):
    first, second = tmp_path / f'first.{image}', tmp_path / f'second.{image.upper()}'
    save_figure(plot(grid, kind), first)
    save_figure(plot(grid, kind), second)
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes()[:4] in {b'%PDF', b'\x89PNG', b'<?xm'}


def test_letters_stay_text(write_sweep, tmp_path):
    findings = write_sweep({(1, '$a$ <b> & 日本'): [0.5, 0.6], (2, '\x07\ud7ff'): [0.5, 0.7]})
    figure = plot(findings, 'board')
    save_figure(figure, tmp_path / 'x.svg')
    words = {''.join(one.itertext()) for one in ElementTree.parse(tmp_path / 'x.svg').iter()}
    assert {'hidden=1 nonlinearity=$a$ <b> & 日本', 'validation performance'} <= words
    save_figure(figure, tmp_path / 'x.pdf')
    assert b'/CIDFontType2' in (tmp_path / 'x.pdf').read_bytes()


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('x.jpg', r'the format of .*x.jpg: its name must end with .pdf, .svg or .png'),
        ('x', 'its name must end with'),
        ('nowhere/x.pdf', 'cannot write .*x.pdf: there is no folder .*nowhere'),
    ],
)
def test_a_file_that_cannot_be_written_is_named(grid, tmp_path, name, message):
    with pytest.raises(InvalidArgument, match=message):
        save_figure(plot(grid, 'board'), tmp_path / name)
    assert not (tmp_path / name).exists()
