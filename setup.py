"""Builds the package. Its metadata is in pyproject.toml; here is what that cannot say."""

import re
from pathlib import Path

from setuptools import setup
from setuptools.command.sdist import sdist

FOLDERS = ['.ci', 'benchmarks', 'docs', 'examples', 'tests']
FILES = ['.gitattributes', '.gitignore', 'CHANGELOG.md', 'CONTRIBUTING.md', 'constraints.txt']


class SourceDistribution(sdist):
    """With all that its tests, documents and benchmarks need."""

    def make_distribution(self):
        for folder in FOLDERS:
            self.filelist.graft(folder)
        self.filelist.extend(FILES)
        self.filelist.global_exclude('*.py[cod]')
        super().make_distribution()


def long_description():
    """The README as a package index shows it: what it links to in the repository is not there."""
    text = Path(__file__).with_name('README.md').read_text(encoding='utf-8')
    text = re.sub(r'!\[[^]]*\]\((?!https?:)[^)]*\)\n*', '', text)
    text = re.sub(r'\[([^]]*)\]\((?!https?:|#)[^)]*\)', r'`\1`', text)
    return text.replace('## More\n', '## More\n\nThe source distribution contains:\n')


# A licence, since versions of setuptools do not agree on how pyproject.toml says it.
setup(
    license='MIT',
    cmdclass={'sdist': SourceDistribution},
    long_description=long_description(),
    long_description_content_type='text/markdown',
)
