"""Keras' CuDNNLSTM and CuDNNGRU as plain LSTM and GRU layers.

Their gates stand in Keras' order, but each gate's kernels are laid out as cuDNN wants them: the input kernel, (inputs,
hidden), holds the numbers of an (hidden, inputs) matrix row by row, the recurrent kernel is transposed. There are two
biases in one vector, first that of the input, then that of the state. Source: Keras hdf5_format.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ...errors import ShapeMismatch

GATES = {"CuDNNLSTM": 4, "CuDNNGRU": 3}
PLAIN = {"CuDNNLSTM": "LSTM", "CuDNNGRU": "GRU"}


def cudnn_kind(name: object) -> str | None:
    """Return the key of `GATES` that a layer's type spells in any way, such as "cudnn_lstm"; None for others."""
    flat = re.sub("[^a-z]", "", str(name).lower())
    return next((kind for kind in GATES if kind.lower() == flat), None)


def plain_tensors(kind: str, tensors: Sequence[np.ndarray], where: str) -> list[np.ndarray]:
    """Return kernel, recurrent kernel and bias as Keras' LSTM or GRU (with reset_after=True) has them.

    Parameters
    ----------
    kind : str
        A key of `GATES`.
    tensors : sequence of numpy.ndarray
        Kernel (inputs, gates * hidden), recurrent kernel (hidden, gates * hidden), bias (2 * gates * hidden,).

    Raises
    ------
    ShapeMismatch
        Another number of tensors, or shapes that do not fit each other.
    """
    gates = GATES[kind]
    shapes = [np.shape(each) for each in tensors]
    hidden = shapes[1][0] if len(shapes) == 3 and len(shapes[1]) == 2 else 0
    wide = gates * hidden
    if not hidden or len(shapes[0]) != 2 or shapes[0][1] != wide or shapes[1:] != [(hidden, wide), (2 * wide,)]:
        raise ShapeMismatch(f"{where} ({kind}) holds tensors of {shapes}, expected two kernels and two biases")
    kernel, recurrent, bias = tensors
    inputs = kernel.shape[0]
    kernels = [block.reshape(hidden, inputs).T for block in np.split(kernel, gates, axis=1)]
    recurrents = [block.T for block in np.split(recurrent, gates, axis=1)]
    rows = bias.reshape(2, wide)
    return [np.hstack(kernels), np.hstack(recurrents), rows if kind == "CuDNNGRU" else rows.sum(axis=0)]
