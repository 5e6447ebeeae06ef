"""What values a parameter may have, and what points a space of parameters holds."""

from __future__ import annotations

from .base import Domain, Role
from .bits import Bits
from .categorical import Categorical
from .conditions import Condition
from .float import Float
from .integer import Integer
from .ordinal import Ordinal
from .space import Space

__all__ = ['Bits', 'Categorical', 'Condition', 'Domain', 'Float', 'Integer', 'Ordinal', 'Role', 'Space']
