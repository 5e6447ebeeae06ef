"""The distribution: its name, its extras, its version, and what its source has in it."""

import re
import runpy
import tomllib
from pathlib import Path

import pytest

import sweeper
from sweeper.errors import MissingExtra
from sweeper.extras import DISTRIBUTION, needed
from sweeper.version import RESULTS_VERSION

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
EXTRAS = PROJECT['optional-dependencies']
TEXTS = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs').glob('*.md'))]


def test_messages_and_documents_name_the_distribution_and_extras_that_there_are():
    assert PROJECT['name'] == DISTRIBUTION
    sources = [path.read_text() for path in (ROOT / 'sweeper').rglob('*.py')]
    named = [extra for text in sources for extra in re.findall(r"needed\('(\w+)'", text)]
    assert len(named) >= 7 and set(named) <= EXTRAS.keys()
    for path in TEXTS:
        for name, extras in re.findall(r"'([\w-]*)\[([\w,]+)\]'", path.read_text()):
            assert name in ('', DISTRIBUTION) and set(extras.split(',')) <= EXTRAS.keys(), path
    for text in sources:
        assert "pip install '" not in text or "pip install '{DISTRIBUTION}[" in text


def test_extras_that_are_made_of_others_name_those_that_there_are():
    for requirements in EXTRAS.values():
        for requirement in requirements:
            if requirement.startswith(DISTRIBUTION):
                assert set(re.search(r'\[(.*)\]', requirement)[1].split(',')) <= EXTRAS.keys()


def test_what_is_missing_is_an_error_that_says_what_to_install():
    message = r"x needs y: pip install 'fair-sweeper\[plot\]' \(No module"
    with pytest.raises(MissingExtra, match=message), needed('plot', 'x needs y'):
        import no_such_module  # noqa: F401


def test_the_version_that_folders_record_is_the_beginning_of_the_only_one():
    assert re.fullmatch(r'\d+\.\d+\.\d+', sweeper.__version__)
    assert sweeper.__version__.startswith(f'{RESULTS_VERSION}.') and RESULTS_VERSION.count('.') == 1
    assert 'version' in PROJECT['dynamic']


def test_the_source_distribution_has_every_folder_and_document_of_the_repository():
    setup = (ROOT / 'setup.py').read_text()
    folders, files = (re.search(rf'{name} = \[(.*)\]', setup)[1] for name in ('FOLDERS', 'FILES'))
    kept = {path.name for path in ROOT.iterdir() if not re.match(r'\.(?!ci$)|_|build$|dist$|out$', path.name)}
    for name in kept - {
        'sweeper',
        'setup.py',
        'pyproject.toml',
        'README.md',
        'LICENSE',
        'PKG-INFO',
        'setup.cfg',
    }:
        assert f'{name!r}' in folders + files or name.endswith('.egg-info'), name


def test_a_package_index_shows_the_readme_without_links_to_files_that_are_not_there(monkeypatch):
    options = {}
    monkeypatch.setattr('setuptools.setup', lambda **given: options.update(given))
    runpy.run_path(str(ROOT / 'setup.py'))
    text = options['long_description']
    assert '`docs/tuning.md`' in text and '## On the command line' in text
    links = re.findall(r'\]\(([^)]*)\)', text)
    assert all(link.startswith(('https:', '#')) for link in links), links
