"""Parameters declared where they are used, found without running the code, managed as a whole."""

from __future__ import annotations

from ..errors import (
    DeclarationError,
    DeclarationWarning,
    DoubleAssignmentException,
    ImpossibleTree,
    MissingSource,
    NotLiteralEvaluable,
    NotLiteralNameException,
    SourceError,
    SourceSyntaxError,
    UnknownParameter,
)
from ..source.text import SourceHelper
from .command_line import bind
from .manager import HyperParameterManager
from .occurrence import EmptyValue, HyperParameterNode, HyperParameterOccurrence, Priority
from .query import HyperParameterDB, L
from .registry import managers
from .tree import HyperParameterTree

__all__ = [
    'DeclarationError',
    'DeclarationWarning',
    'DoubleAssignmentException',
    'EmptyValue',
    'HyperParameterDB',
    'HyperParameterManager',
    'HyperParameterNode',
    'HyperParameterOccurrence',
    'HyperParameterTree',
    'ImpossibleTree',
    'L',
    'MissingSource',
    'NotLiteralEvaluable',
    'NotLiteralNameException',
    'Priority',
    'SourceError',
    'SourceHelper',
    'SourceSyntaxError',
    'UnknownParameter',
    'bind',
    'managers',
]
