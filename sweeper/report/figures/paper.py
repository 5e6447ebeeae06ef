"""How figures look on paper: colours, sizes and text; and how they become files."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import InvalidArgument
from ...extras import needed
from ...text import reason
from ..measure import Measure

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN, PAGE = 3.3, 6.9
"""Widths of a column and of both together, in inches."""

BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK, GREY = (
    '#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000', '#8A8A8A',
)  # fmt: skip
PALETTE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
"""Told apart by the colour-blind, too (Okabe and Ito 2008, Color Universal Design)."""

MARKERS = ('o', 's', '^', 'D', 'v', 'P', 'X')
_COLOURS = {1: 'viridis_r', -1: 'viridis'}
FAINT = 0.5
_MARK = 5
FORMATS = ('pdf', 'svg', 'png')
_NO_DATE = {'pdf': {'CreationDate': None}, 'svg': {'Date': None}, 'png': {}}
_STYLE: dict[Any, Any] = {
    'font.size': 8,
    'axes.labelsize': 8,
    'axes.titlesize': 8,
    'xtick.labelsize': 7,
    'ytick.labelsize': 7,
    'legend.fontsize': 7,
    'legend.frameon': False,
    'legend.handlelength': 1.6,
    'legend.borderaxespad': 0.2,
    'axes.linewidth': 0.6,
    'axes.axisbelow': True,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.grid': False,
    'grid.color': '#DDDDDD',
    'grid.linewidth': 0.5,
    'xtick.major.width': 0.6,
    'ytick.major.width': 0.6,
    'xtick.major.size': 2.5,
    'ytick.major.size': 2.5,
    'xtick.minor.size': 1.5,
    'ytick.minor.size': 1.5,
    'lines.linewidth': 1.2,
    'lines.markersize': 4,
    'text.usetex': False,
    'text.parse_math': True,
    'pdf.fonttype': 42,  # letters stay text, in these two
    'svg.fonttype': 'none',
    'svg.hashsalt': 'sweeper',  # the same figure is the same file
    'savefig.dpi': 300,
}


@contextmanager
def paper_style() -> Iterator[None]:
    """Within it, figures are drawn and saved as for a paper; matplotlib's other settings hold.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    with needed('plot', 'figures need matplotlib'):
        from matplotlib import rc_context
    with warnings.catch_warnings(), rc_context(_STYLE):
        warnings.filterwarnings('ignore', 'Glyph .* missing')  # a box is drawn
        warnings.filterwarnings('ignore', 'Matplotlib currently does not support')
        yield


def image_format(path: Path) -> str:
    """Returns the format of a file by its name.

    Raises:
        InvalidArgument: It is none that can be written, or there is no such folder.
    """
    suffix = path.suffix.lower().removeprefix('.')
    if suffix not in FORMATS:
        raise InvalidArgument(
            f'cannot tell the format of {path}: its name must end with '
            f'{", ".join(f".{name}" for name in FORMATS[:-1])} or .{FORMATS[-1]}'
        )
    if not path.parent.is_dir():
        raise InvalidArgument(f'cannot write {path}: there is no folder {path.parent}')
    return suffix


def save_figure(figure: Figure, path: str | Path) -> None:
    """Writes a figure as `.pdf`, `.svg` or `.png` (300 dpi); the same figure gives the same bytes.

    Raises:
        InvalidArgument: The name ends with something else, or cannot be written.
    """
    path = Path(path)
    image, kind = io.BytesIO(), image_format(path)
    with paper_style():
        figure.savefig(image, format=kind, metadata=_NO_DATE[kind])
    try:
        path.write_bytes(image.getvalue())
    except OSError as error:
        raise InvalidArgument(f'cannot write {path}: {reason(error, path)}') from error


def shown(text: str, most: int = 60) -> str:
    """Returns a user's text so that matplotlib shows it literally: one line, its middle left out if long."""
    line = ''.join(letter if letter.isprintable() else '\ufffd' for letter in ' '.join(text.split()))
    if len(line) > most:
        tail = (most - 1) // 2
        line = f'{line[: most - 1 - tail]}…{line[len(line) - tail :]}'
    return line.replace('$', r'\$')  # no formula


def all_shown(texts: Sequence[str], most: int = 60) -> list[str]:
    """Returns `shown` of texts that stand beside each other: those that differ are never shown alike.

    Where shortening would make some alike, words that all have are left out first; then they are numbered.
    """
    labels = [shown(text, most) for text in texts]
    if _are_apart(texts, labels):
        return labels
    words = [text.split() for text in texts]
    common = set(words[0]).intersection(*words[1:])
    kept = [' '.join(word for word in line if word not in common) or text
            for line, text in zip(words, texts, strict=True)]  # fmt: skip
    labels = [shown(text, most) for text in kept]
    if _are_apart(texts, labels):
        return labels
    numbers = {text: f' ({number})' for number, text in enumerate(dict.fromkeys(texts), 1)}
    return [
        shown(short, max(4, most - len(numbers[text]))) + numbers[text]
        for short, text in zip(kept, texts, strict=True)
    ]


def _are_apart(texts: Sequence[str], labels: Sequence[str]) -> bool:
    return len(set(labels)) >= len(set(texts))


def room(axes: Axes, share: float = 1.0, along: int = 0) -> int:
    """How many letters of a tick label fit into a share of the width (0) or height (1) of axes."""
    from matplotlib import rcParams

    size = rcParams['xtick.labelsize']
    points = float(size) if isinstance(size, int | float) else float(rcParams['font.size'])
    return max(4, int(share * inches(axes)[along] * 72 / (0.58 * points)))


def inches(axes: Axes) -> tuple[float, float]:
    """Width and height of axes, before what is around them takes its room."""
    dpi = axes.figure.dpi
    return float(axes.bbox.width / dpi), float(axes.bbox.height / dpi)


def legend_above(axes: Axes, handles: Sequence[Artist], labels: Sequence[str], title: str = '') -> None:
    """Puts a legend above axes, in as many columns as fit; labels are shown as they are."""
    if not handles:
        return
    most = room(axes)
    labels = all_shown(labels, most - _MARK)
    widest = max(map(len, labels)) + _MARK
    axes.legend(
        handles,
        # One that begins with an underscore would be left out.
        [f' {label}' if label.startswith('_') else label for label in labels],
        loc='lower left', bbox_to_anchor=(0, 1.01), ncols=max(1, min(len(labels), most // widest)),
        title=shown(title, most) or None, alignment='left', columnspacing=1.2, title_fontsize=7,
    )  # fmt: skip


def colours_of(measure: Measure) -> str:
    """The name of a range of colours: the better, the darker, since the best are seen best on white."""
    return _COLOURS[measure.sign]


def limited_to(measure: Measure, axes: Axes, along: str = 'y') -> None:
    """Leaves out what of an axis no value can reach, where intervals go beyond; the best are up, or right."""
    low, high = sorted(axes.get_ylim() if along == 'y' else axes.get_xlim())
    lowest, highest = measure.limits
    beyond = 0.03 * min(highest - lowest, high - low)
    limits = max(low, lowest - beyond), min(high, highest + beyond)
    if limits[0] >= limits[1]:
        limits = low, high
    ends = limits if measure.info.higher else (limits[1], limits[0])
    (axes.set_ylim if along == 'y' else axes.set_xlim)(ends)
