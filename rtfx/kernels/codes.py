"""Activations by number, and the factor on their input that a preceding layer folds into its weights."""

from ..units import LOG2E

CODES = {
    "": (0, 1.0),
    "tanh": (1, 2.0 * LOG2E),
    "sigmoid": (2, -LOG2E),
    "relu": (3, 1.0),
    "leaky_relu": (4, 1.0),
    "elu": (5, 1.0),
    "sine": (6, 1.0),
}


def code_of(kind: str) -> int:
    """Return the number of an activation; "" is none."""
    return CODES[kind][0]


def factor_of(kind: str) -> float:
    """Return the input factor of an activation."""
    return CODES[kind][1]
