"""Builds the package. Its metadata is in pyproject.toml; here is what that cannot say."""

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


# A licence, since versions of setuptools do not agree on how pyproject.toml says it.
setup(license='MIT', cmdclass={'sdist': SourceDistribution})
