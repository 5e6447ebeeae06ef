"""A sweep in MLflow."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InvalidArgument
from ..extras import needed
from ..points import Point
from ..results import PointError
from ..text import reason, users_frames
from .logger import Logger, Plain, point_id, short_key

_SWEEP, _POINT, _TRIAL = 'sweeper.sweep', 'sweeper.point', 'sweeper.trial'
_ERROR, _TRACEBACK = 'sweeper.error', 'sweeper.traceback'
_FLAGS = 'sweeper.flags'
_PARENT = 'mlflow.parentRunId'
_LONGEST, _PAGE = 4000, 1000


class MLflowListener(Logger):
    """Keeps a run per architecture, with a nested run per trial.

    The architecture's run has its parameters, the hyperparameters that it was tuned to and the mean of its
    trials' scores; each trial's run has the same parameters and its own scores. Its flags are in the tag
    `sweeper.flags`. A point that failed has the status FAILED and the error in the tag `sweeper.error`.
    When a sweep is resumed, its runs are found again by their tags, which name the sweep's folder and the
    point; so sweeps may share an experiment.

    Each trial takes some hundredths of a second, with a server as long as that takes.

    Args:
        experiment: Its name; made if need be.
        tracking_uri: MLflow's tracking URI; or a folder, for a database `mlflow.db` in it, which is shown by
            `mlflow ui --backend-store-uri sqlite:///FOLDER/mlflow.db`. By default what MLflow is set to.

    Raises:
        MissingExtra: MLflow, or what it needs for a database, is not installed.
        InvalidArgument: MLflow cannot use that experiment, or that URI.
    """

    def __init__(self, experiment: str, tracking_uri: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        uri = _uri(tracking_uri)
        with needed('mlflow', 'MLflowListener needs MLflow'):
            from mlflow import MlflowClient
            from mlflow.exceptions import MlflowException

            if uri and uri.startswith('sqlite:'):
                import alembic  # noqa: F401
                import sqlalchemy  # noqa: F401
        try:
            if (folder := _folder(tracking_uri)) is not None:
                folder.mkdir(parents=True, exist_ok=True)
            self._client = MlflowClient(tracking_uri=uri)
            self._experiment_id = self._experiment(experiment)
        except (MlflowException, OSError) as error:
            place = '' if tracking_uri is None else f', tracking_uri={str(tracking_uri)!r}'
            raise InvalidArgument(f'experiment={experiment!r}{place}: {reason(error)}') from error
        self._runs: dict[tuple[str, str], Any] = {}  # by point and trial, '' for the architecture's
        self._open: dict[Point, str] = {}

    def _experiment(self, name: str) -> str:
        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            return str(self._client.create_experiment(name))
        if experiment.lifecycle_stage != 'active':
            raise InvalidArgument(f'experiment={name!r}: was deleted; restore it, or choose another name')
        return str(experiment.experiment_id)

    def start(self) -> None:
        self._runs.clear()
        token = None
        while True:
            runs = self._client.search_runs(
                [self._experiment_id],
                f'tags."{_SWEEP}" = \'{self._sweep}\'',
                max_results=_PAGE,
                page_token=token,
            )
            for run in runs:
                key = run.data.tags.get(_POINT, ''), run.data.tags.get(_TRIAL, '')
                self._runs.setdefault(key, run)
            token = runs.token
            if not token:
                return

    def keep_tuning(self, point: Point) -> None:
        run = self._architecture(point)
        if _ERROR in run.data.tags:  # it failed before, and is tried again
            for tag in (_ERROR, _TRACEBACK):
                self._client.delete_tag(run.info.run_id, tag)
            self._client.update_run(run.info.run_id, status='RUNNING')
            self._open[point] = run.info.run_id

    def keep_flags(self, point: Point, flags: Sequence[str]) -> None:
        run, text = self._architecture(point), ' '.join(flags)
        if text:
            self._client.set_tag(run.info.run_id, _FLAGS, text)
            run.data.tags[_FLAGS] = text
        elif run.data.tags.pop(_FLAGS, None) is not None:
            self._client.delete_tag(run.info.run_id, _FLAGS)

    def keep_trials(self, point: Point, trials: Mapping[int, Mapping[str, float]]) -> None:
        parent = self._architecture(point)
        for number, scores in trials.items():
            tags = {_PARENT: parent.info.run_id}
            trial = self._run(point, str(number), f'trial {number}', tags)
            self._log(trial, point, scores)
            if trial.info.status != 'FINISHED':
                self._client.set_terminated(trial.info.run_id)
        self._log(parent, point, self.means(point), self.trials(point))

    def keep_failure(self, point: Point, error: PointError) -> None:
        run_id = self._architecture(point).info.run_id
        for tag, text in ((_ERROR, str(error)), (_TRACEBACK, users_frames(error.traceback))):
            self._client.set_tag(run_id, tag, text[-_LONGEST:])
        self._client.set_terminated(run_id, 'FAILED')
        self._open.pop(point, None)

    def end(self) -> None:
        for run_id in self._open.values():
            self._client.set_terminated(run_id)
        self._open.clear()

    @property
    def _sweep(self) -> str:
        return short_key(str(self.folder))

    def _architecture(self, point: Point) -> Any:
        run = self._run(point, '', self.title(point), {'sweeper.folder': str(self.folder)})
        self._log(run, point)
        if run.info.status == 'RUNNING':
            self._open[point] = run.info.run_id
        return run

    def _run(self, point: Point, trial: str, name: str, tags: Mapping[str, str]) -> Any:
        """Returns the run of a point or of its trial, an earlier one or a new one."""
        key, params = (point_id(point), trial), _params(self.hyperparameters(point))
        run = self._runs.get(key)
        # Parameters of a run cannot be changed: others are of a sweep that was in this folder before.
        if run and any(params.get(name, value) != value for name, value in run.data.params.items()):
            run = None
        if run and any(run.data.tags.get(name) != value for name, value in tags.items()):
            run = None  # its parent was deleted
        if run is None:
            own = {_SWEEP: self._sweep, _POINT: key[0], **({_TRIAL: trial} if trial else {})}
            run = self._client.create_run(self._experiment_id, tags={**tags, **own}, run_name=name)
        self._runs[key] = run
        return run

    def _log(self, run: Any, point: Point, scores: Mapping[str, float] | None = None, step: int = 0) -> None:
        """Adds what a run does not have yet."""
        from mlflow.entities import Metric, Param

        now, known = int(time.time() * 1000), run.data
        params = {k: v for k, v in _params(self.hyperparameters(point)).items() if k not in known.params}
        scores = {k: v for k, v in (scores or {}).items() if known.metrics.get(k) != v}
        if params or scores:
            self._client.log_batch(
                run.info.run_id,
                [Metric(name, score, now, step) for name, score in scores.items()],
                [Param(name, value) for name, value in params.items()],
            )
        known.params.update(params)
        known.metrics.update(scores)


def _folder(tracking_uri: str | os.PathLike[str] | None) -> Path | None:
    is_uri = isinstance(tracking_uri, str) and (':' in tracking_uri or tracking_uri == 'databricks')
    return None if tracking_uri is None or is_uri else Path(tracking_uri).resolve()


def _uri(tracking_uri: str | os.PathLike[str] | None) -> str | None:
    folder = _folder(tracking_uri)
    if folder is not None:
        return f'sqlite:///{folder}/mlflow.db'
    return None if tracking_uri is None else str(tracking_uri)


def _params(hyperparameters: Mapping[str, Plain]) -> dict[str, str]:
    """As MLflow takes them: names of letters, digits and a few signs, and short values."""
    return {
        re.sub(r'[^\w.\- /]', '_', name): str(value)[:_LONGEST] for name, value in hyperparameters.items()
    }
