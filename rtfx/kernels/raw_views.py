"""Numba's view of raw memory: what `floats`, `integers` and `records` return inside compiled functions.

An array type would carry shape, strides, owner and reference counts through type inference and LLVM: most of the time
that a kernel takes to compile. A span is one pointer. It is indexed, from 0, and nothing else.
"""

from __future__ import annotations

import operator

from numba.core import types
from numba.core.datamodel import models
from numba.core.imputils import lower_builtin
from numba.extending import register_model


class Records(types.CPointer):
    """Some records of a NumPy dtype, one behind the other; an item is a reference."""


register_model(Records)(models.PointerModel)


@lower_builtin(operator.getitem, Records, types.Integer)
def _item(context, builder, signature, arguments):
    return builder.gep(arguments[0], [arguments[1]])


def span(kind, *further):
    """Return signature and codegen of an intrinsic that makes a span of an address; `further` arguments only tell."""

    def codegen(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return kind(types.int64, *further), codegen
