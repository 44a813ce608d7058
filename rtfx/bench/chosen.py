"""What each layer of a plan got, in words: kernel, shape, tile, and the numerical class that a timer never changes."""

from __future__ import annotations

from itertools import groupby

from ..kernels import elementwise
from ..kernels.codes import CODES
from ..kernels.jit import Kernel
from ..kernels.layer import FOLDED, IDENTITY, MATRIX, ROWS
from ..kernels.recurrent import EXPONENTIAL, EXPONENTIAL_TABLE, GRU, LSTM, RATIONAL, TABLE
from ..plan.chain import Plan

ACTIVATIONS = {code: name for name, (code, _) in CODES.items()}
OPERATIONS = ACTIVATIONS | {
    0: "copy",
    elementwise.AFFINE: "affine",
    elementwise.PRELU: "prelu",
    elementwise.ADD: "add",
    elementwise.GAIN: "gain",
    elementwise.SOFTMAX: "softmax",
    elementwise.MUL: "mul",
}
MATHS = {
    RATIONAL: "rational",
    EXPONENTIAL: "exponential",
    TABLE: "table",
    EXPONENTIAL_TABLE: "exponential table",
}
WORDS = {
    "activation": ACTIVATIONS,
    "gate": {1 + code: name or "linear" for code, name in ACTIVATIONS.items()},
    "operation": OPERATIONS,
    "cell": {LSTM: "lstm", GRU: "gru"},
    "maths": MATHS,
    "residual": {IDENTITY: "residual", MATRIX: "residual by a matrix"},
    "head": {ROWS: "head", FOLDED: "head folded"},
}
TILE = ("lanes", "vectors", "group")
CODED = ("operation", "cell")  # 0 means something
SILENT = ("head_first", "exposed")


def chosen(plan: Plan) -> list[str]:
    """Return one line for each run of layers that share a kernel, in the order in which they are called."""
    runs = [(kernel, len(list(same))) for kernel, same in groupby(plan.calls)]
    return [f"{count} x {described(kernel)}" for kernel, count in runs]


def described(kernel: Kernel) -> str:
    """Return a kernel in words: what, its shape, its tile, its numerical class."""
    shape = dict(kernel.shape)
    tile = "x".join(str(shape.pop(name)) for name in TILE if name in shape)
    maths = WORDS["maths"].get(shape.pop("maths", -1))
    words = [_word(name, value) for name, value in shape.items() if name in CODED or value and name not in SILENT]
    parts = [" ".join([kernel.name.split(".")[1], ", ".join(words)])]
    parts += [f"tile {tile}"] if tile else []
    parts += [f"gates: {maths}"] if maths else []
    return "; ".join(parts)


def _word(name: str, value: int) -> str:
    known = WORDS.get(name, {}).get(value)
    return f"{name.replace('_', ' ')} {value}" if known is None else known
