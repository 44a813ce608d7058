"""Random graphs of every kind of node: branches, skips, slices, several users of one node, several inputs."""

import numpy as np

from rtfx.model.nodes import (
    ACTIVATIONS,
    Activation,
    Add,
    Affine,
    Concat,
    Conv1d,
    Dense,
    Gru,
    Hold,
    Input,
    Lstm,
    Mul,
    PRelu,
    Rnn,
    Slice,
)
from rtfx.model.spec import Knob, ModelSpec

WIDTHS = (1, 2, 3, 4, 6, 8)
RATE = 48000.0


class Grower:
    """A graph that grows by nodes of random kind on random earlier nodes."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        self.nodes: list = [Input((), channels=int(self.rng.integers(1, 3)))]
        self.widths = [self.nodes[0].channels]
        self.used: set[int] = set()
        if self.rng.random() < 0.5:
            self.add(Input((), role="knob", name="bite"), 1)
        if self.rng.random() < 0.3:
            self.add(Input((), role="sample_period", name="period"), 1)

    def add(self, node, width: int) -> int:
        self.nodes.append(node)
        self.widths.append(width)
        self.used |= set(node.sources)
        return len(self.nodes) - 1

    def matrix(self, *shape: int) -> np.ndarray:
        """Weights that keep the level: scaled by all axes but the first."""
        return self.rng.normal(0, 1, shape) / np.sqrt(max(np.prod(shape[1:]), 1))

    def width(self) -> int:
        return int(self.rng.choice(WIDTHS))

    def source(self) -> int:
        """A node, the latest most likely, an old one often enough."""
        if self.rng.random() < 0.6:
            return len(self.nodes) - 1
        return int(self.rng.integers(len(self.nodes)))

    def as_wide(self, width: int) -> int:
        """A node of that width: one there is, else a dense layer."""
        found = [i for i, w in enumerate(self.widths) if w == width]
        return int(self.rng.choice(found)) if found and self.rng.random() < 0.7 else self.dense(self.source(), width)

    def dense(self, source: int, width: int, bias: bool = True) -> int:
        weight = self.matrix(width, self.widths[source])
        return self.add(Dense((source,), weight=weight, bias=self.rng.normal(0, 0.3, width) * bias), width)

    def conv(self, source: int, width: int, groups: int = 1) -> int:
        taps, dilation = int(self.rng.integers(1, 5)), int(self.rng.integers(1, 9))
        weight = self.matrix(width, self.widths[source] // groups, taps)
        bias = self.rng.normal(0, 0.3, width)
        return self.add(Conv1d((source,), weight=weight, bias=bias, dilation=dilation, groups=groups), width)

    def activation(self, source: int, softmax: bool = True) -> int:
        kind = str(self.rng.choice([k for k in ACTIVATIONS if softmax or k != "softmax"]))
        slope = float(self.rng.uniform(0.05, 1.5))
        constants = {"slope": slope, "slope_high": 0.2, "low": -0.4, "high": 0.7} if self.rng.random() < 0.5 else {}
        return self.add(Activation((source,), kind=kind, **constants), self.widths[source])

    def grow(self) -> None:
        """Append one thing."""
        kinds = (
            "dense",
            "conv",
            "grouped",
            "recurrent",
            "activation",
            "affine",
            "prelu",
            "add",
            "mul",
            "concat",
            "slice",
            "hold",
        )
        kind = str(self.rng.choice([*kinds, "layer", "gated", "dense"]))
        source = self.source()
        wide = self.widths[source]
        if kind == "dense":
            self.dense(source, self.width(), bias=bool(self.rng.random() < 0.7))
        elif kind == "conv":
            self.conv(source, self.width())
        elif kind == "grouped":
            groups = int(self.rng.choice([g for g in (1, 2, 3, 4) if wide % g == 0]))
            self.conv(source, groups * int(self.rng.integers(1, 3)), groups)
        elif kind == "recurrent":
            self.recurrent(source, int(self.rng.integers(2, 7)))
        elif kind == "activation":
            self.activation(source)
        elif kind == "affine":
            self.add(
                Affine((source,), scale=self.rng.uniform(0.5, 1.2, wide), shift=self.rng.normal(0, 0.2, wide)), wide
            )
        elif kind == "prelu":
            self.add(PRelu((source,), alpha=self.rng.uniform(0, 0.5, wide)), wide)
        elif kind in ("add", "mul"):
            count = int(self.rng.integers(1, 4))
            sources = (source, *(self.as_wide(wide) for _ in range(count)))
            self.add((Add if kind == "add" else Mul)(sources), wide)
        elif kind == "concat":
            sources = (source, *(self.source() for _ in range(int(self.rng.integers(0, 3)))))
            self.add(Concat(sources), sum(self.widths[s] for s in sources))
        elif kind == "slice":
            start = int(self.rng.integers(0, wide))
            stop = int(self.rng.integers(start + 1, wide + 1))
            self.add(Slice((source,), start=start, stop=stop), stop - start)
        elif kind == "hold":
            stride = int(self.rng.integers(1, 7))
            phase = int(self.rng.integers(stride))
            # zeros between at unequal phases may leave nothing but zeros
            held = self.rng.random() < 0.7
            self.add(Hold((source,), stride, phase) if held else Hold((source,), stride, 0, "zero"), wide)
        else:
            self.layer(source, gated=kind == "gated")

    def recurrent(self, source: int, hidden: int) -> None:
        kind = (Lstm, Gru, Rnn)[int(self.rng.integers(3))]
        gates = {Lstm: 4, Gru: 3, Rnn: 1}[kind]
        tensors = {
            "weight_ih": self.matrix(gates * hidden, self.widths[source]),
            "weight_hh": 0.5 * self.matrix(gates * hidden, hidden),
        }
        names = ("bias_ih", "bias_hh") if kind is Gru else ("bias",)
        tensors |= {name: self.rng.normal(0, 0.3, gates * hidden) for name in names}
        if self.rng.random() < 0.5:
            tensors |= {name: self.rng.normal(0, 0.5, hidden) for name in (("h0", "c0") if kind is Lstm else ("h0",))}
        self.add(kind((source,), **tensors), hidden)

    def layer(self, source: int, gated: bool) -> None:
        """A WaveNet layer, or what looks nearly like one."""
        width = self.width()
        z = self.conv(source, 2 * width if gated else width)
        if self.rng.random() < 0.5:
            z = self.add(Add((z, self.dense(self.source(), self.widths[z]))), self.widths[z])
        if gated:
            halves = [self.add(Slice((z,), start=a, stop=a + width), width) for a in (0, width)]
            z = self.add(Mul(tuple(self.activation(half, softmax=False) for half in halves)), width)
        else:
            z = self.activation(z)
        if self.rng.random() < 0.7:
            wide = self.widths[source]
            total = self.add(Add((self.dense(z, wide), source)), wide)
            if self.rng.random() < 0.3:
                self.activation(total)
        if self.rng.random() < 0.5:
            self.dense(z, int(self.rng.integers(1, 4)))

    def finish(self) -> ModelSpec:
        """Join all loose ends, as a sum of dense layers or a dense layer over all of them."""
        loose = [i for i in range(len(self.nodes)) if i not in self.used]
        outputs = int(self.rng.integers(1, 3))
        if self.rng.random() < 0.5:
            self.dense(self.add(Concat(tuple(loose)), sum(self.widths[i] for i in loose)), outputs)
        else:
            self.add(Add(tuple(self.dense(i, outputs) for i in loose)), outputs)
        knobs = tuple(Knob(node.name) for node in self.nodes if isinstance(node, Input) and node.role == "knob")
        return ModelSpec("rtfx", tuple(self.nodes), name="random", sample_rate=RATE, rate_source="file", knobs=knobs)


def random_graph(seed: int) -> ModelSpec:
    """Return a checked graph of some twenty nodes, each used."""
    grower = Grower(seed)
    while len(grower.nodes) < 8 + seed % 20:
        grower.grow()
    return grower.finish()
