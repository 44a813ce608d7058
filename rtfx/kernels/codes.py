"""Activations by number, and the factor on their input that a preceding layer folds into its weights.

What each kind computes, and its constants, is said at model.nodes.Activation.
"""

from ..units import LOG2E

CONSTANTS = 4  # slope, slope_high, low, high: in this order before the weights of a layer
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # Klambauer et al. 2017
# Neural Amp Modeler's fasttanh: x (A (1 + q) + (B + C q) x^2) / (D + (D + x^2) q (1 + E q)), q = |x|
FASTTANH = (2.45550750702956, 0.893229853513558, 0.821226666969744, 2.44506634652299, 0.814642734961073)
FASTTANH_LIMIT = 1e8  # beyond, x^4 overflows float32; the quotient is constant to 1e-8 there

CODES = {
    "": (0, 1.0),
    "tanh": (1, 2.0 * LOG2E),
    "sigmoid": (2, -LOG2E),
    "relu": (3, 1.0),
    "leaky_relu": (4, 1.0),
    "elu": (5, 1.0),
    "sine": (6, 1.0),
    "fasttanh": (7, 1.0),
    "hardtanh": (8, 1.0),
    "silu": (9, 1.0),
    "hardswish": (10, 1.0),
    "softsign": (11, 1.0),
    "selu": (12, 1.0),
    "gelu": (13, 1.0),
    "softplus": (14, 1.0),
    "softshrink": (15, 1.0),
}


def code_of(kind: str) -> int:
    """Return the number of an activation; "" is none."""
    return CODES[kind][0]


def factor_of(kind: str) -> float:
    """Return the input factor of an activation."""
    return CODES[kind][1]
