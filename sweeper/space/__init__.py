"""What values a parameter may have, and what points a space of parameters holds."""

from __future__ import annotations

from .base import Domain, Role
from .categorical import Categorical
from .conditions import Condition
from .float import Float
from .integer import Integer
from .ordinal import Ordinal
from .space import Space

__all__ = ['Categorical', 'Condition', 'Domain', 'Float', 'Integer', 'Ordinal', 'Role', 'Space']
