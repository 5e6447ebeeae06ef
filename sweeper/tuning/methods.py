"""The tuning method of a sweep: what users may pass for one, and how `sweep.json` records it."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import textwrap
from collections.abc import Mapping
from typing import Any

from ..errors import InvalidArgument, SourceError
from ..problem.sources import code_that_counts
from .base import TuningMethod
from .fixed import FixedHyperparameters
from .settings import PRESETS, HyperparameterSettings, get_settings, preset_name

_OWN = (HyperparameterSettings, FixedHyperparameters)


def get_method(hparams: object, argument: str = 'hparams') -> TuningMethod:
    """Returns the method that `hparams` is, or that a preset of that name has.

    Args:
        hparams: What the user gave.
        argument: The name of the argument that it was given as.

    Raises:
        InvalidArgument: It is no tuning method.
    """
    if isinstance(hparams, str):
        return get_settings(hparams)
    if not isinstance(hparams, TuningMethod) or isinstance(hparams, type) or not callable(hparams.tune):
        raise InvalidArgument(
            f'{argument}={hparams!r}: must be a preset ({", ".join(PRESETS)}), a HyperparameterSettings, '
            f'FixedHyperparameters, or an object with a method `tune` (see TuningMethod)'
        )
    return hparams


def for_sweep_cores(method: TuningMethod, sweep_cores: int) -> TuningMethod:
    """Returns the method for a sweep with so many cores for each tuning."""
    return method.for_sweep_cores(sweep_cores) if isinstance(method, HyperparameterSettings) else method


def chosen_method(hparams: object, tuning: object) -> TuningMethod:
    """Returns the method of two arguments that mean the same, the first of which is `fast` by default."""
    if tuning is not None and hparams != 'fast':
        raise InvalidArgument(f'hparams={hparams!r} and tuning={tuning!r} mean the same: give one of them')
    return get_method(hparams) if tuning is None else get_method(tuning, 'tuning')


def record(method: TuningMethod, sweep_cores: int) -> tuple[str | None, dict[str, Any]]:
    """Returns the preset's name, or None, and what tells the method from another: as JSON holds it.

    Settings are told by their fields. Any other method by its class (`method`), its fields or its `repr`
    (`values`), and, if it is not of this package, a fingerprint of its class (`source`).
    """
    if isinstance(method, HyperparameterSettings):
        return preset_name(method), dict(vars(method.for_sweep_cores(sweep_cores)))
    kind = type(method)
    name = kind.__name__ if isinstance(method, _OWN) else f'{kind.__module__}.{kind.__qualname__}'
    identity = {'method': name, 'values': _values(method)}
    return None, identity if isinstance(method, _OWN) else {**identity, 'source': _fingerprint(kind)}


def as_plain(method: TuningMethod) -> str | dict[str, Any]:
    """Returns a preset's name, or what `from_plain` makes the method of again: for a JSON or YAML file.

    Raises:
        InvalidArgument: It is a method of the user's own.
    """
    if isinstance(method, HyperparameterSettings):
        return preset_name(method) or dataclasses.asdict(method)
    if isinstance(method, FixedHyperparameters):
        return dataclasses.asdict(method)
    raise InvalidArgument(f'tuning={method!r}: a method of your own cannot be written to a file')


def from_plain(plain: Any) -> Any:
    """Returns the method of a mapping: `FixedHyperparameters` if there is an `lr`, else settings."""
    if not isinstance(plain, Mapping):
        return plain
    if 'lr' not in plain:
        return HyperparameterSettings().replace(**plain)
    valid = [field.name for field in dataclasses.fields(FixedHyperparameters)]
    if unknown := plain.keys() - {*valid}:
        names = ', '.join(map(str, unknown))
        raise InvalidArgument(f'there is no fixed hyperparameter {names}; valid are {", ".join(valid)}')
    if 'batch_size' not in plain:
        raise InvalidArgument(f'tuning={plain!r}: batch_size is missing')
    return FixedHyperparameters(**plain)


def _values(method: TuningMethod) -> Mapping[str, Any]:
    if dataclasses.is_dataclass(method):
        fields = {field.name: getattr(method, field.name) for field in dataclasses.fields(method)}
        return {name: _as_json(value) for name, value in fields.items()}
    return {} if type(method).__repr__ is object.__repr__ else {'repr': repr(method)}


def _as_json(value: object) -> Any:
    is_plain = value is None or isinstance(value, bool | int | float | str)
    return value if is_plain else repr(value)


def _fingerprint(kind: type) -> str | None:
    """A digest of what counts in a class's source; None if there is no source."""
    try:
        code = code_that_counts(textwrap.dedent(inspect.getsource(kind)).encode())
    except (OSError, TypeError, SourceError):
        return None
    return hashlib.sha256(code.encode()).hexdigest()
