"""From the nodes of a model to the steps of a plan.

For each kind of node a function is registered that turns the node into steps (``@lowers(Kind)`` in ``lower.py``).
``linear.py``, ``recurrent.py`` and ``elementwise.py`` hold these functions; ``wavenet.py`` turns several nodes into one
step.
"""

from . import elementwise, linear, recurrent
from .lower import lower

__all__ = ["elementwise", "linear", "lower", "recurrent"]
