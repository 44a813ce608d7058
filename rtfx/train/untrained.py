"""Makes untrained models with random weights: the WaveNet of the papers and Neural Amp Modeler's (NAM's) nets.

NAM's nets are built from a document in NAM's file format, so that a trained net has only parts that a file can hold.
Sources: Damskägg, Juvela, Thuillier and Välimäki 2019; Wright et al. 2020; the sizes of NAM's own trainer.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UsageError, did_you_mean
from ..model.graph import Graph
from ..model.nodes import Add, Concat, Conv1d, Dense, Input, Node
from ..model.read import nam
from ..model.read.inputs import CHANNELS
from ..model.read.wavenetva import Layer, append_stack
from ..model.spec import Knob, ModelSpec

RATE = 48000.0  # Hz, until the rate of the audio is known
HEAD_SCALE = 0.02  # head_scale of every net that NAM's trainer makes
ONE_TO_512 = [2**i for i in range(10)]
TAPS = 3
A1_CHANNELS = {"nam-standard": (16, 8), "nam-lite": (12, 6), "nam-feather": (8, 4), "nam-nano": (4, 2)}
A2_CHANNELS = {"nam-a2": 8, "nam-a2-lite": 3}
A2_TAPS = [6] * 14 + [15] * 2 + [6] * 7
A2_DILATIONS = [1, 3, 7, 17, 41, 101, 239] * 2 + [1, 13] + [1, 3, 7, 17, 41, 101, 239]
A2_HEAD_TAPS = 16
LEAKY = {"type": "LeakyReLU", "negative_slope": 0.01}
NAME = "wavenet"
RANGES = {"channels": (1, 64), "layers": (1, 32), "kernel": (2, 16), "stacks": (1, 8)}
LONGEST = 1 << 16  # longest receptive field in frames: segments of one second cannot train a longer one


def untrained(name: str, inputs: int, seed: int, skip: bool = False) -> ModelSpec:
    """Return an architecture with random weights; inputs after the audio are knobs ``knob1``, ``knob2``, ...

    Weights and biases are uniform within 1/sqrt(fan_in), as in PyTorch's new layers; a bias of zeros stays, since the
    file cannot store it.

    Parameters
    ----------
    name : str
        wavenet, alone or with its `sizes`, or a key of `A1_CHANNELS` or `A2_CHANNELS`.
    skip : bool
        The audio is added to the output.
    """
    form = None
    if is_wavenet(name):
        nodes = list(_wavenet(inputs, wavenet_sizes(name)))
    elif name in A2_CHANNELS:
        nodes, form = _nam([_a2(A2_CHANNELS[name], inputs)], inputs)
    else:
        nodes, form = _nam(_a1(A1_CHANNELS[name], inputs, name == "nam-standard"), inputs)
    rng = np.random.default_rng(seed)
    summed = {s: len(node.sources) for node in nodes if isinstance(node, Add) for s in node.sources}
    nodes = [_drawn(node, rng, summed.get(i, 1)) for i, node in enumerate(nodes)]
    knobs = tuple(Knob(f"knob{i}") for i in range(1, inputs))
    if knobs:
        heads: list[Node] = [Input(()), *(Input((), "knob", knob.name) for knob in knobs)]
        joined = len(heads)  # replaces the input of all channels
        heads.append(Concat(tuple(range(joined))))
        nodes = heads + [replace(node, sources=tuple(s + joined for s in node.sources)) for node in nodes[1:]]
    if skip:
        nodes.append(Add((len(nodes) - 1, 0)))
    return ModelSpec("rtfx", tuple(nodes), name, RATE, "file", knobs, form=form)


def _drawn(node: Node, rng: np.random.Generator, summed: int) -> Node:
    """Return the node with random numbers in each tensor that is not all zeros; Affine, NAM's head scale, stays.

    If more than two are `summed`, as the parts of WaveNet's mix, they count as one layer.
    """
    if not isinstance(node, (Dense, Conv1d)):
        return node
    bound = float(np.prod(node.weight.shape[1:]) * (summed if summed > 2 else 1)) ** -0.5
    weight, bias = (rng.uniform(-bound, bound, tensor.shape) for tensor in (node.weight, node.bias))
    return replace(node, weight=weight, bias=bias if node.bias.any() else node.bias)


def _wavenet(inputs: int, sizes: WaveNet) -> tuple[Node, ...]:
    """Return the nodes of a gated WaveNet, all weights one."""
    channels, graph = sizes.channels, Graph([Input((), channels=inputs)])
    first = graph.add(Dense((0,), weight=np.ones((channels, inputs)), bias=np.ones(channels)))
    doubled, mixed = np.ones((2 * channels, channels, sizes.kernel)), np.ones((channels, channels))
    layers = [Layer(doubled, np.ones(2 * channels), d, mixed, np.ones(channels)) for d in sizes.dilations]
    append_stack(graph, first, layers, "gated", np.ones((1, channels * len(layers))), np.ones(1))
    return graph.listed()


def _a1(channels: tuple[int, int], inputs: int, standard: bool) -> list[dict[str, Any]]:
    """Return the layer arrays of the older nets: the smaller ones have fewer layers of long memory."""
    first = ONE_TO_512 if standard else ONE_TO_512[:7]
    second = ONE_TO_512 if standard else ONE_TO_512[7:] + ONE_TO_512
    wide, narrow = channels
    common = {"condition_size": inputs, "kernel_size": TAPS, "activation": "Tanh", "gated": False}
    return [
        {**common, "input_size": inputs, "channels": wide, "dilations": first, "head_size": narrow, "head_bias": False},
        {**common, "input_size": wide, "channels": narrow, "dilations": second, "head_size": 1, "head_bias": True},
    ]


def _a2(channels: int, inputs: int) -> dict[str, Any]:
    """Return the one layer array of the newer nets."""
    return {
        "input_size": inputs,
        "condition_size": inputs,
        "channels": channels,
        "kernel_sizes": A2_TAPS,
        "dilations": A2_DILATIONS,
        "activation": LEAKY,
        "head": {"out_channels": 1, "kernel_size": A2_HEAD_TAPS, "bias": True},
    }


def _nam(arrays: list[dict[str, Any]], inputs: int) -> tuple[list[Node], dict[str, Any] | None]:
    """Return the nodes of a NAM WaveNet, all weights one, and the form of its file."""
    count = 0
    for array in arrays:
        c, layers = array["channels"], len(array["dilations"])
        taps = sum(array.get("kernel_sizes", [TAPS] * layers))
        head = array.get("head", {"out_channels": array.get("head_size"), "kernel_size": 1})
        bias = head.get("bias", array.get("head_bias"))
        count += c * array["input_size"] + c * c * taps + layers * (c + c * inputs + c * c + c)
        count += head["out_channels"] * (c * head["kernel_size"] + bool(bias))
    config = {"layers": arrays, "head": None, "head_scale": HEAD_SCALE, "in_channels": inputs}
    weights = [1.0] * count + [HEAD_SCALE]
    document = {"version": "0.6.0", "architecture": "WaveNet", "config": config, "weights": weights}
    spec = nam.read(document, Path("untrained.nam"), inputs=CHANNELS)
    return list(spec.nodes), spec.form


@dataclass(frozen=True)
class WaveNet:
    """A WaveNet, by default WaveNet2 of Damskägg et al. 2019; dilations double, and restart at 1 in every stack."""

    channels: int = 8
    layers: int = 18
    kernel: int = 3
    stacks: int = 2

    @property
    def dilations(self) -> list[int]:
        """Dilation of each layer."""
        depth = -(-self.layers // self.stacks)
        return [2 ** (i % depth) for i in range(self.layers)]

    @property
    def receptive_field(self) -> int:
        """Input frames that one output frame depends on."""
        return 1 + (self.kernel - 1) * sum(self.dilations)


def is_wavenet(name: str) -> bool:
    """Return whether an architecture's name is that of a WaveNet, with sizes or without."""
    return name.partition(":")[0] == NAME


def wavenet_sizes(name: str) -> WaveNet:
    """Return the sizes in ``wavenet:key=value&...``; up to ten layers are one stack unless `stacks` says otherwise.

    Raises
    ------
    UsageError
        A key is unknown, a value is out of range, or the receptive field is longer than `LONGEST`.
    """
    sizes: dict[str, int] = {}
    for pair in filter(None, name.partition(":")[2].split("&")):
        given, equals, value = pair.partition("=")
        key = given.strip().lower()
        if key not in RANGES or not equals:
            hint = did_you_mean(key[:60], RANGES)
            raise UsageError(f"{NAME} has no key {given[:60]!r}{hint}, expected key=value of: {', '.join(RANGES)}")
        if key in sizes:
            raise UsageError(f"{NAME} names {key} twice, expected once")
        low, high = RANGES[key]
        if not (value.isascii() and value.isdigit() and len(value) < 6 and low <= int(value) <= high):
            raise UsageError(f"{NAME}: {key} is {value[:60]!r}, expected an integer from {low} to {high}")
        sizes[key] = int(value)
    if sizes.get("layers", WaveNet.layers) <= 10:
        sizes.setdefault("stacks", 1)
    found = WaveNet(**sizes)
    if found.receptive_field > LONGEST:
        said = "&".join(f"{key}={value}" for key, value in asdict(found).items())
        raise UsageError(
            f"{NAME}:{said} looks back {found.receptive_field} frames, expected at most {LONGEST}: take more stacks"
        )
    return found
