"""What the tests of the store share: one small sweep written by hand, and faults at chosen steps."""

import builtins
import errno
import io
import json
import math
import os
import pathlib
import re
import shutil
import tempfile
from contextlib import contextmanager

import numpy as np
import pytest

from sweeper.io import files
from sweeper.results import ModelCost, PointError, TrialRecord, TrialResult, Tuned
from sweeper.store.manifest import Manifest
from sweeper.store.reading import failure_order
from sweeper.store.store import Store
from sweeper.tuning.settings import get_settings


@pytest.fixture(autouse=True, scope='module')
def _nothing_is_flushed():
    """Flushing to the disk takes most of the time; where it matters, a test looks itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, 'fsync', lambda descriptor: None)
        yield


class Kept:
    """A store whose records are kept up to date with what is written, as a sweep's ledger does."""

    def __init__(self, store):
        self._store = store

    def __getattr__(self, name):
        return getattr(self._store if hasattr(self._store, name) else self._store.records, name)

    def write_tuned(self, point, tuned):
        self._store.write_tuned(point, tuned)
        self.by_point[point].tuned = tuned.without_report()

    def write_trial(self, point, index, trial, with_weights=True):
        self._store.write_trial(point, index, trial, with_weights)
        self.by_point[point].add_trial(index, trial.result)

    def write_error(self, point, error):
        errors = sorted([*self.errors(point), error], key=failure_order)
        self._store.write_errors(point, errors)
        self.by_point[point].errors = errors


@contextmanager
def opened_and_kept(*args, **options):
    with Store.opened(*args, **options) as store:
        yield Kept(store)


class Example:
    """A sweep of three points: trained, failed in a trial, and only tuned."""

    manifest = Manifest(
        'problem', 'fast', vars(get_settings('fast')), sweep_cores=1, seed=0, train_size=9, source='abc'
    )
    names = ('width', 'nonlinearity')
    points = ((16, 'relu'), (8, ''), (32, None))
    cost = ModelCost(27, 24, None, 'there is no formula for aten._fft_r2c')
    error = PointError('ValueError', 'no such\nlayer', 'trial 1', 'Traceback …', None, 'what it printed')

    def opened(self, folder, manifest=None, **options):
        return opened_and_kept(folder, manifest or self.manifest, self.names, **options)

    @staticmethod
    def archive(content):
        """What stands for a model's weights: an archive, as torch writes them."""
        buffer = io.BytesIO()
        np.savez(buffer, np.array(content))
        return buffer.getvalue()

    @staticmethod
    def tuned(batch_size=32, flags=(), **nuisance):
        return Tuned(
            lr_min=0.1 / 3,
            lr_max=0.7,
            batch_size=batch_size,
            cycle_size_epochs=10,
            epochs=40,
            flags=tuple(flags),
            cost=Example.cost,
            report={'improvement': np.float64(0.5), 'lr_cutoff': math.inf},
            curves={'lr_vs_perf': {'lrs': np.geomspace(1e-5, 10, 7), 'losses': np.full((2, 7), np.inf)}},
            nuisance=nuisance,
        )

    @classmethod
    def record(cls, perf=0.5, *, test=None, diverged=False):
        loss = math.inf if diverged else 1.0 - perf
        scores = [0.0 if diverged else perf, loss, 0.0 if diverged else perf / 3, loss]
        tests = (None, None) if test is None else (0.0, loss) if diverged else (test, 1.0 - test)
        result = TrialResult(2**62 + 1, 40, 1.25, diverged, *scores, *tests)
        return TrialRecord(result, cls.archive('model'), cls.archive('init'), {'epochs': np.arange(3)})

    def fill(self, store, *, test=None):
        """Three points: with three trials, one of them diverged; failed after a trial; tuned only."""
        store.add_points(self.points)
        for point, flags in zip(self.points, ([], [], ['lr_at_high_edge', 'nan_seen']), strict=True):
            store.write_tuned(point, self.tuned(flags=flags))
        store.write_trial(self.points[0], 2, self.record(0.75, test=test))  # trials come in any order
        store.write_trial(self.points[0], 0, self.record(0.25, test=test))
        store.write_trial(self.points[0], 1, self.record(diverged=True, test=test))
        store.write_trial(self.points[1], 0, self.record(test=test))
        store.write_error(self.points[1], self.error)
        store.rebuild()

    @staticmethod
    def tree(folder, without=('damaged', 'running.json')):
        """Every file's content and every folder, by relative path."""
        paths = (path for path in folder.rglob('*') if path.relative_to(folder).parts[0] not in without)
        return {str(p.relative_to(folder)): None if p.is_dir() else p.read_bytes() for p in paths}

    @staticmethod
    def without_checksums(folder):
        """Makes of a folder what earlier versions wrote, or who changes files by hand."""
        for path in folder.rglob('*.json'):
            data = json.loads(path.read_bytes())
            path.write_text(json.dumps({k: v for k, v in data.items() if k not in ('checksum', 'checksums')}))
        copy = folder / 'copies/params.csv'
        if copy.exists():
            copy.write_bytes(re.sub(rb'^checksum,.*\n\Z', b'', copy.read_bytes(), flags=re.MULTILINE))
        return folder

    @staticmethod
    def assert_same_results(one, other):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert a[:4] == b[:4]
            for x, y in zip(a[4:], b[4:], strict=True):
                np.testing.assert_array_equal(x, y)
        assert one.failures == other.failures
        assert one.flags == other.flags


@pytest.fixture(scope='session')
def example():
    return Example()


@pytest.fixture(scope='session')
def memory(tmp_path_factory):
    """Makes new folders for very many files: in memory, if the system has such a place."""
    place = '/dev/shm' if os.access('/dev/shm', os.W_OK) else tmp_path_factory.getbasetemp()
    with tempfile.TemporaryDirectory(dir=place) as folder:
        yield lambda: pathlib.Path(tempfile.mkdtemp(dir=folder))


@pytest.fixture
def in_memory(memory):
    """A folder for very many files."""
    return memory()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / 'sweep'


@pytest.fixture
def store(example, folder):
    """The example's folder, opened and still empty."""
    with example.opened(folder) as store:
        yield store


class Killed(BaseException):
    """The process is killed here; no step succeeds any more, so that no `finally` tidies up."""


class Steps:
    """Stands between the store and the system, and counts the steps of writing; nothing is flushed.

    Attributes:
        taken: The kinds of the steps of the last `faulty` block.
        had_fault: Whether there was the fault in it.
    """

    def __init__(self):
        self.taken = []
        self.had_fault = False
        self._at = self._code = None

    @contextmanager
    def faulty(self, at=None, code=None):
        """In this block step number `at` is interrupted halfway: by a kill, or by the system's error `code`.

        A kill ends the block without an error; errors go on until the end of the block.
        """
        self.taken, self.had_fault, self._at, self._code = [], False, at, code
        with pytest.MonkeyPatch.context() as patch:
            self._install(patch)
            try:
                yield self
            except Killed:
                assert self.had_fault

    def take(self, kind, half=lambda: None):
        number = len(self.taken)
        self.taken.append(kind)
        if self._at is not None and number == self._at:
            self.had_fault = True
            half()
        if self.had_fault:
            raise Killed(kind) if self._code is None else OSError(self._code, os.strerror(self._code))

    def _install(self, patch):
        replace, mkdir, unlink = os.replace, pathlib.Path.mkdir, pathlib.Path.unlink
        touch, rmtree = pathlib.Path.touch, shutil.rmtree

        def halfway_rmtree(path):
            first = next((p for p in sorted(path.rglob('*')) if p.is_file()), None)
            if first is not None:
                os.remove(first)

        def step(kind, do, half=lambda *_: None):
            return lambda *args, **options: (
                self.take(kind, lambda: half(*args)),
                do(*args, **options),
            )[1]

        patch.setattr(files, 'open', self._open, raising=False)
        patch.setattr(os, 'fsync', step('fsync', lambda _: None))
        patch.setattr(os, 'replace', step('replace', replace))
        patch.setattr(shutil, 'rmtree', step('rmtree', rmtree, halfway_rmtree))
        patch.setattr(pathlib.Path, 'mkdir', step('mkdir', mkdir))
        patch.setattr(pathlib.Path, 'unlink', step('unlink', unlink))
        patch.setattr(pathlib.Path, 'touch', step('touch', touch))

    def _open(self, path, mode='r', **options):
        if mode != 'r':
            self.take('open')
        return _File(builtins.open(path, mode, **options), self)


class _File:
    def __init__(self, file, steps):
        self._file, self._steps = file, steps

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def write(self, data):
        self._steps.take('write', lambda: (self._file.write(data[: len(data) // 2]), self._file.flush()))
        return self._file.write(data)


@pytest.fixture(scope='session')
def steps():
    return Steps()


@pytest.fixture(params=[errno.ENOSPC, errno.EIO, errno.EROFS], ids=errno.errorcode.get)
def code(request):
    """What the system can say to a step of writing."""
    return request.param
