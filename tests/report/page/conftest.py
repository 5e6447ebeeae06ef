"""A headless browser, where there is one."""

import shutil
from contextlib import suppress

import pytest

CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
OPTIONS = [
    '--no-sandbox', '--disable-gpu',
    '--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader',
    '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run',
]  # fmt: skip


@pytest.fixture(scope='module')
def browser():
    sync_api = pytest.importorskip('playwright.sync_api', reason='playwright is not installed')
    if CHROMIUM is None:
        pytest.skip('there is no chromium (Debian: apt-get install chromium)')
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield running
        with suppress(sync_api.Error):
            running.close()


@pytest.fixture
def open_page(browser, tmp_path):
    """Returns a function that opens a page's text, and gives the tab with what went wrong in `errors`."""
    tabs = []

    def opened(text, width=1400, height=900, **options):
        path = tmp_path / 'report.html'
        path.write_text(text, encoding='utf-8')
        tab = browser.new_page(viewport={'width': width, 'height': height}, **options)
        tab.errors, tab.requests = [], []
        tab.on('console', lambda m: tab.errors.append(m.text) if m.type == 'error' else None)
        tab.on('pageerror', lambda error: tab.errors.append(str(error)))
        tab.on('dialog', lambda dialog: (tab.errors.append(f'dialog: {dialog.message}'), dialog.dismiss()))
        tab.on('request', lambda request: tab.requests.append(request.url))
        tab.goto(path.as_uri())
        tabs.append(tab)
        return tab

    yield opened
    for tab in tabs:
        tab.close()
