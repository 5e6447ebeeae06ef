"""Package metadata. Tool settings are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search("__version__ = '(.+)'", (ROOT / 'sweeper' / '__init__.py').read_text()).group(1)
EXTRAS = {
    'examples': ['matplotlib>=3.8', 'plotly>=6', 'scikit-learn>=1.3'],
    'test': [
        'alembic>=1.10',
        'hypothesis>=6.100',
        'matplotlib>=3.8',
        'mlflow-skinny>=2.9',
        'optuna>=3',
        'pandas>=2',
        'playwright>=1.45',
        'plotly>=6',
        'pytest>=8',
        'pytest-xdist>=3.6',
        'pyyaml>=6',
        'scikit-learn>=1.3',
        'sqlalchemy>=2',
        'tensorboard>=2.16',
    ],
    'declare': ['pyyaml>=6'],
    'pandas': ['pandas>=2'],
    'plot': ['matplotlib>=3.8'],
    'report': ['plotly>=6'],
    'importance': ['optuna>=3', 'scikit-learn>=1.3'],
    'tensorboard': ['tensorboard>=2.16'],
    'mlflow': ['alembic>=1.10', 'mlflow-skinny>=2.9', 'sqlalchemy>=2'],
    'benchmarks': ['distributed', 'joblib', 'loky>=3.4', 'optuna>=3', 'ray[tune]>=2.9', 'scikit-learn>=1.3'],
    'lint': ['mypy>=1.10', 'ruff>=0.6', 'types-PyYAML', 'types-psutil'],
}

setup(
    name='sweeper',
    version=VERSION,
    description='Compare neural-network architectures fairly: every one tuned, with error bars.',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='MIT',
    python_requires='>=3.11',
    packages=find_packages(include=['sweeper', 'sweeper.*']),
    package_data={'sweeper': ['py.typed', *(f'report/page/*.{kind}' for kind in ('html', 'css', 'js'))]},
    install_requires=[
        'numpy>=1.26',
        'psutil>=5.9',
        'pytorch-ignite>=0.5',
        'rich>=13',
        'scipy>=1.11',
        'sortedcontainers>=2.4',
        'torch>=2.2',
        'typer>=0.12',
    ],
    extras_require={**EXTRAS, 'dev': sorted({*EXTRAS['examples'], *EXTRAS['test'], *EXTRAS['lint']})},
    entry_points={'console_scripts': ['sweeper = sweeper.cli:main']},
    classifiers=[
        'License :: OSI Approved :: MIT License',
        'Operating System :: MacOS',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3.11',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
)
