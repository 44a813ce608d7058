"""The kinds of node that a model graph is made of, one file each.

A graph lists its nodes in an order in which they can be computed; a node names its sources by their place in that list.
A signal is ``(features, frames)``. All tensors are float64 and in PyTorch's axis order, whatever the file's order was.

==========  =======================================================================================================
node        y
==========  =======================================================================================================
Input       the audio input, a knob (0 to 1, constant but for glides), or the sample period in seconds
Dense       W x + b                                             W (out, in), b (out,)
Conv1d      b + sum_k W[:, :, k] x[t - (taps-1-k) dilation]     W (out, in/groups, taps): tap 0 is the oldest
Lstm        h                                                   gates i, f, g, o; W_ih (4H, in), W_hh (4H, H), b (4H,)
Gru         h, reset after the product (two biases)             gates r, z, n; W_ih (3H, in), W_hh (3H, H), b_ih, b_hh
Rnn         h = tanh(W x + U h + b)                             W_ih (H, in), W_hh (H, H), b (H,)
Activation  f(x), element by element (softmax: over features)   kind in ACTIVATIONS, constants: see Activation
PRelu       x if x >= 0 else alpha x                            alpha (features,)
Affine      scale x + shift                                     scale, shift (features,)
Add         the sum of all sources
Mul         the product of all sources, element by element
Slice       features start to stop (excluded) of its source
Concat      the features of all sources, one after the other
Hold        x at every stride-th frame, from frame `phase` on; in between that value again, or zeros
==========  =======================================================================================================

Each file defines one kind of node: its fields and their form in rtfx JSON, the shapes of its tensors, its width, the
number of past frames that it reads, its multiply-adds, and its equation in NumPy. The equations share no code with the
kernels, because the kernels are measured against them. Each back end registers by type how it computes a kind:
``plan/lowering`` for kernels, ``train/torch_learner.py`` for PyTorch, ``benchmarks/onnx_peer.py`` for ONNX.
"""

from .activation import ACTIVATIONS, Activation
from .add import Add
from .affine import Affine
from .concat import Concat
from .conv1d import Conv1d
from .dense import Dense
from .gru import Gru
from .hold import Hold
from .input import ROLES, Input
from .lstm import Lstm
from .mul import Mul
from .node import Node
from .prelu import PRelu
from .recurrent import Recurrent
from .rnn import Rnn
from .slice import Slice

KINDS: dict[str, type[Node]] = {  # by the name that files give them
    kind.op(): kind
    for kind in (Input, Dense, Conv1d, Lstm, Gru, Rnn, Activation, PRelu, Affine, Add, Mul, Concat, Slice, Hold)
}

__all__ = [
    "ACTIVATIONS",
    "KINDS",
    "ROLES",
    "Activation",
    "Add",
    "Affine",
    "Concat",
    "Conv1d",
    "Dense",
    "Gru",
    "Hold",
    "Input",
    "Lstm",
    "Mul",
    "Node",
    "PRelu",
    "Recurrent",
    "Rnn",
    "Slice",
]
