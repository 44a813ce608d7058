"""The smaller and the larger of two numbers: what `min` and `max` are in compiled functions.

Numba's own are compiled anew for each pair of types, each as slowly as a kernel.
"""

from __future__ import annotations

from .jit import intrinsic


def _choice(context, one, other, sign: str):
    """Return signature and codegen of Python's algorithm: the second if it is beyond the first, else the first."""
    from numba.core import types

    kind = context.unify_types(types.unliteral(one), types.unliteral(other))

    def codegen(context, builder, signature, arguments):
        first, second = arguments
        if isinstance(kind, types.Float):
            beyond = builder.fcmp_ordered(sign, second, first)
        else:
            compare = builder.icmp_signed if kind.signed else builder.icmp_unsigned
            beyond = compare(sign, second, first)
        return builder.select(beyond, second, first)

    return kind(kind, kind), codegen


@intrinsic
def smaller(context, one, other):
    """Return the smaller of two numbers, `one` if they are equal or not ordered."""
    return _choice(context, one, other, "<")


@intrinsic
def larger(context, one, other):
    """Return the larger of two numbers, `one` if they are equal or not ordered."""
    return _choice(context, one, other, ">")
