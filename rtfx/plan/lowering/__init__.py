"""From the nodes of a model to the steps of a plan.

Each kind of node registers how it becomes steps (``@lowers(Kind)`` in ``lower.py``): ``linear.py``, ``recurrent.py``
and ``elementwise.py`` hold the kinds, ``wavenet.py`` what several nodes become together.
"""

from . import elementwise, linear, recurrent
from .lower import lower

__all__ = ["elementwise", "linear", "lower", "recurrent"]
