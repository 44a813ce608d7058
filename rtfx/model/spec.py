"""ModelSpec holds the content of a model file: its graph (``nodes``), sample rate, knobs and settings for the host."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from ..errors import NotAModelFile
from .graph import check, described, widths
from .nodes import Conv1d, Hold, Input, Node, Recurrent
from .values import CHANNELS, HISTORY_FLOATS, NODES, PARAMETERS, RECEPTIVE_FIELD, WEIGHTS, WIDTH, at_most

IGNORED = ": ignored"  # the end of a warning about a value in a file that rtfx does not support
SIZE = "size"  # the knob of a slimmable net
UNKNOWN_RATE = "the file does not state a sample rate: the stream's is used; --model-rate sets another"


@dataclass(frozen=True)
class Knob:
    """A control of the model, mapped to an Input node of the same name; `size` chooses among `ModelSpec.sizes`."""

    name: str
    minimum: float = 0.0
    maximum: float = 1.0
    default: float = 0.5
    unit: str = ""


@dataclass(frozen=True, eq=False)
class ModelSpec:
    """A checked model: graph, sample rate, knobs and settings for the host.

    Parameters
    ----------
    nodes : tuple of Node
        In computable order.
    sample_rate : float or None
        Hz; None where the file does not say and nothing can be inferred.
    rate_source : str
        "file", "metadata", "name" (of the file), "family" (its usual rate), "user", "unknown", or "any": the model
        needs no particular rate. If the rate is a guess, a warning says so.
    kind : str
        "amp", "pedal", "amp+cab" or "unknown": the host adds a default cabinet to an amp.
    prewarm : str or int
        A number of frames, or "auto": the receptive field, or 2048 zeros for recurrent nets (interface.md).
    warnings : tuple of str
        Messages for the user, the most important first: a player shows that one and counts the others.
    quiet_past : bool
        True if the model starts, even cold, as if its input had always been zero. This differs from a state of zeros
        if layers have biases. Only for feed-forward models without knobs.
    dc_block : bool
        The output may carry a constant offset.
    level_db : float
        Gain after the model in dB, which brings its output to a usual level; the bare function does not apply it.
    input_db : float
        Gain before the model in dB, equal to that of the model's own plugin with its knob at half: some families train
        nets on signals louder than a guitar's. The bare function does not apply it.
    loudness_db : float or None
        RMS of the output for the trainer's standard clip, in dB; None if the file does not state it.
    input_level_dbu, output_level_dbu : float or None
        The analogue level in dBu that 0 dBFS stands for at the model's input and output.
    sizes : tuple of (float, ModelSpec)
        For a slimmable net: (upper limit, model) for each range of the knob `size`, ascending. This knob is not an
        Input. A value chooses the first model whose limit is above it, else the last, which has this spec's own nodes.
    form : dict or None
        The content of a NAM file, with the number of weights in place of the weights. The model can be written in this
        form again if its graph has not changed.
    parameters : int or None
        Number of weights in the file, if it differs from the graph's: the graph holds zeros for biases that a file
        leaves out.
    """

    family: str
    nodes: tuple[Node, ...]
    name: str = ""
    sample_rate: float | None = None
    rate_source: str = "unknown"
    knobs: tuple[Knob, ...] = ()
    kind: str = "unknown"
    prewarm: str | int = "auto"
    dc_block: bool = True
    level_db: float = 0.0
    input_db: float = 0.0
    metadata: dict = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    loudness_db: float | None = None
    input_level_dbu: float | None = None
    output_level_dbu: float | None = None
    sizes: tuple[tuple[float, ModelSpec], ...] = ()
    parameters: int | None = None
    form: dict | None = None
    quiet_past: bool = False

    def __post_init__(self):
        by_weight = sorted(self.warnings, key=lambda warning: warning.endswith(IGNORED))  # ignored keys come last
        object.__setattr__(self, "warnings", tuple(by_weight))
        driven = [knob.name for knob in self.knobs if not (self.sizes and knob.name == SIZE)]
        check(self.nodes, driven, (self.name or self.family)[:60])

    def at_size(self, value: float) -> ModelSpec:
        """Return the model that a value of the knob `size` chooses: this one unless it is slimmable."""
        for limit, spec in self.sizes:
            if value < limit:
                return spec
        return self.sizes[-1][1] if self.sizes else self

    def stretched(self, factor: float) -> ModelSpec:
        """Return the model for `factor` times its rate, with every dilation and every state's delay multiplied."""
        return replace(
            self,
            nodes=tuple(node.stretched(factor) for node in self.nodes),
            sample_rate=self.sample_rate and self.sample_rate * factor,
            prewarm=math.ceil(self.prewarm_frames * factor),
            sizes=tuple((limit, size.stretched(factor)) for limit, size in self.sizes),
        )

    @property
    def widths(self) -> list[int]:
        """Features of each node's output."""
        return widths(self.nodes)

    @property
    def inputs(self) -> int:
        """Audio input channels."""
        return sum(n.channels for n in self.nodes if isinstance(n, Input) and n.role == "audio")

    @property
    def outputs(self) -> int:
        """Output channels: the width of the last node."""
        return self.widths[-1]

    @property
    def recurrent(self) -> bool:
        return any(isinstance(node, Recurrent) for node in self.nodes)

    @property
    def period(self) -> int:
        """Frames after which the strides of the model repeat: 1 if the model computes the same at every frame."""
        return math.lcm(*(node.stride for node in self.nodes if isinstance(node, Hold)))

    @property
    def receptive_field(self) -> int | None:
        """Input frames that one output frame depends on, itself included; None for recurrent nets."""
        if self.recurrent:
            return None
        history: list[int] = []
        for node in self.nodes:
            history.append(node.history + max((history[s] for s in node.sources), default=0))
        return history[-1] + 1

    @property
    def latency_frames(self) -> int:
        """Delay of the model in frames: 0, because every kind of node is causal."""
        return 0

    @property
    def prewarm_frames(self) -> int:
        """Frames of zeros that the model processes before the first audible frame; a multiple of `period`."""
        if isinstance(self.prewarm, int):
            return self.prewarm
        frames = self.receptive_field or 2048
        return -(-frames // self.period) * self.period

    @property
    def parameter_count(self) -> int:
        """Number of weights: the file's, else the graph's."""
        return self.tensor_elements if self.parameters is None else self.parameters

    @property
    def tensor_elements(self) -> int:
        """Number of elements in all tensors of the graph."""
        return sum(t.size for node in self.nodes for t in node.tensors.values())

    @property
    def macs_per_sample(self) -> int:
        """Multiply-adds per frame, biases and activations not counted."""
        return sum(node.macs for node in self.nodes)

    def __repr__(self) -> str:
        kinds = ", ".join(node.op() for node in self.nodes)
        kinds = kinds if len(kinds) <= 100 else f"{len(self.nodes)} nodes"
        return f"<ModelSpec {self.name!r} ({self.family}): {kinds}; {self.parameter_count} weights>"

    def __str__(self) -> str:
        return f"{self!r}\n{described(dict(enumerate(self.nodes)), dict(enumerate(self.widths)))}"


def check_limits(spec: ModelSpec) -> ModelSpec:
    """Return `spec` unchanged, or raise ResourceLimit naming the figure found and the one allowed."""
    at_most(len(spec.nodes), NODES, "number of nodes")
    at_most(spec.inputs, CHANNELS, "audio inputs")
    at_most(spec.outputs, CHANNELS, "audio outputs")
    for knob in spec.knobs:
        if knob.name in PARAMETERS:
            raise NotAModelFile(f"a knob is called {knob.name}, as a parameter that every model has: rename it")
    at_most(max(spec.widths), WIDTH, "widest signal in features")
    at_most(spec.tensor_elements, WEIGHTS, "number of weights")
    lookback = sum(node.stride if isinstance(node, Hold) else node.history for node in spec.nodes)
    at_most(1 + lookback, RECEPTIVE_FIELD, "receptive field in frames")
    wide = spec.widths
    history = sum(node.history * wide[node.sources[0]] for node in spec.nodes if isinstance(node, Conv1d))
    at_most(history, HISTORY_FLOATS, "past samples to keep")
    at_most(spec.prewarm_frames, RECEPTIVE_FIELD, "frames of prewarm")
    return spec
