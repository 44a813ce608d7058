"""Reads Automated-GuitarAmpModelling JSON: the captures of Proteus, NeuralPi, Chameleon and TS-M1N3 among them.

``model_data`` describes the network, ``state_dict`` holds its tensors under PyTorch's names:

- SimpleRNN: LSTM, GRU or RNN layers, then a linear layer; the first `skip` inputs are added to the output
- RecNet: several such nets in series, described in ``blocks``; the default of each `skip` is 1
- GatedConvNet: a gated WaveNet, with zeros before the first frame

A second input is a knob `drive`, a third `tone`. A legacy CoreAudioML file is the description of one recurrent block;
its weights are in a .pt, a pickle, which is not opened: they are read from a `state_dict` in the file, or from
``modelBest.json`` beside it. Source: CoreAudioML networks.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...errors import MissingKey, ResourceLimit, UnsupportedInput
from ..graph import Graph
from ..levels import plugin_levels
from ..nodes import Add, Dense, Input, Slice
from ..spec import Knob, ModelSpec
from ..values import WIDTH, at, at_most, integer, integer_at, mapping, one_of, required, shown
from .inputs import CHANNELS, GUITAR, KNOBS, input_nodes, sort_inputs, stated_knobs
from .json_file import read_json
from .sample_rate import guitar_rate
from .state_dict import GATES, State, linear, recurrent
from .wavenetva import Layer, append_stack

MODELS = ("SimpleRNN", "RecNet", "GatedConvNet")
LEGACY_WEIGHTS = "modelBest.json"

# unit, hidden size and inputs of a net -> the plugin that plays it, and the plugin's input gain with its knob at half
PLUGINS = {
    ("LSTM", 40, 1): ("Proteus", 1.25),  # 2.5 x drive
    ("LSTM", 40, 2): ("Proteus", 1.5),
    ("LSTM", 40, 3): ("Proteus", 1.5),
    ("LSTM", 20, 1): ("NeuralPi", 1.0),  # 2 x gain
    ("LSTM", 20, 2): ("NeuralPi", 1.0),
    ("LSTM", 20, 3): ("NeuralPi", 1.0),
    ("LSTM", 32, 1): ("Chameleon", 1.0),  # 2 x drive
    ("LSTM", 32, 3): ("TS-M1N3", 3.0),
}


def read(data: dict[str, Any], path: Path, inputs: str | None = None) -> ModelSpec:
    """Return the model in an Automated-GuitarAmpModelling file; `inputs` is as in `sort_inputs`.

    Raises
    ------
    ModelError
        MissingKey if the file has no weights, UnsupportedArchitecture if its network is none of those above.
    """
    model = mapping(data["model_data"], "model_data")
    kind = one_of(required(model, "model", "model_data"), MODELS, "model_data.model")
    if "state_dict" not in data:
        raise MissingKey("the file has no key 'state_dict', thus no weights: its training ended before it saved any")
    state = State(data["state_dict"])
    if kind == "GatedConvNet":
        return _spec(data, path, _gated(model, state), state, (), [])
    if kind == "RecNet":
        blocks = _blocks(data)
        width, knobs, warnings = _inputs(blocks[0], "blocks['0']", data, inputs, blocks[-1])
        graph = Graph(input_nodes(width, [knob.name for knob in knobs]))
        entrance, source, outputs = graph.output, graph.output, width
        for i, block in enumerate(blocks):
            source, outputs = _block(graph, source, outputs, block, f"blocks['{i}']", state, f"layers.block_{i + 1}.")
        _append_skip(graph, entrance, width, _skip(model, "model_data", 0), outputs)
        return _spec(data, path, graph, state, knobs, warnings)
    width, knobs, warnings = _inputs(model, "model_data", data, inputs)
    graph = Graph(input_nodes(width, [knob.name for knob in knobs]))
    _block(graph, graph.output, width, model, "model_data", state, "")
    one_layer = _layers(model, "model_data") == 1
    known = (model["unit_type"], integer(model["hidden_size"], ""), 1 + len(knobs))
    plugin = PLUGINS.get(known) if one_layer and known[2] == width else None
    return _spec(data, path, graph, state, knobs, warnings, plugin)


def read_legacy(data: dict[str, Any], path: Path, inputs: str | None = None) -> ModelSpec:
    """Return the model of a legacy CoreAudioML description, if its weights exist as JSON."""
    beside = path.with_name(LEGACY_WEIGHTS)
    if "state_dict" in data:
        state = State(data["state_dict"])
    elif beside.is_file():
        state = State(read_json(beside), LEGACY_WEIGHTS)
    else:
        raise MissingKey(
            "a legacy CoreAudioML description, whose weights are in a .pt that rtfx never opens, as it is a pickle: "
            f"dump its state_dict as {LEGACY_WEIGHTS} beside it"
        )
    model = {"output_size": 1} | data | {"input_size": required(data, "in_size"), "skip": 1}
    width, knobs, warnings = _inputs(model, "the file", data, inputs)
    graph = Graph(input_nodes(width, [knob.name for knob in knobs]))
    _block(graph, graph.output, width, model, "the file", state, "layers.0.")
    return _spec(data, path, graph, state, knobs, warnings)


def _spec(
    data: dict[str, Any],
    path: Path,
    graph: Graph,
    state: State,
    knobs: tuple[Knob, ...],
    warnings: list[str],
    plugin: tuple[str, float] | None = None,
) -> ModelSpec:
    """Return the finished model; raise if a tensor was not used."""
    state.finish()
    rate, rate_source = guitar_rate(data, path, warnings)
    levels = plugin_levels({plugin[0]: (plugin[1], 1.0)}, plugin[0]) if plugin else plugin_levels({}, None)
    return ModelSpec(
        family="agam",
        nodes=graph.listed(),
        name=path.stem,
        sample_rate=rate,
        rate_source=rate_source,
        knobs=knobs,
        kind="pedal" if plugin and plugin[0] == "TS-M1N3" else "unknown",
        warnings=tuple(warnings),
        **levels,
    )


def _inputs(
    model: dict[str, Any], where: str, data: dict[str, Any], asked: str | None, last: dict[str, Any] | None = None
) -> tuple[int, tuple[Knob, ...], list[str]]:
    """Return the number of inputs, the knobs among them, at most two, and a warning about each guess.

    `last` is the block that computes the output, if it is not the block that reads the inputs.
    """
    width = integer_at(model, "input_size", where)
    outputs = integer_at(last or model, "output_size", where, 1)
    warnings: list[str] = []
    stated = stated_knobs(data.get("metadata"), data)
    knobs = sort_inputs(width, outputs, warnings, asked, stated, GUITAR, format_says=True)
    if len(knobs) > len(GUITAR) and not stated and asked is None:
        raise UnsupportedInput(
            f"{where}.input_size is {width}, expected at most 3: audio, drive, tone; --inputs {CHANNELS} or "
            f"--inputs {KNOBS} takes them all"
        )
    return width, knobs, warnings


def _layers(model: dict[str, Any], where: str) -> int:
    return integer(model.get("num_layers", 1), f"{where}.num_layers")


def _skip(model: dict[str, Any], where: str, default: int) -> int:
    """Return the number of inputs that are added to the output; ``true`` means 1."""
    value = model.get("skip", default)
    return int(value) if isinstance(value, bool) else integer(value, f"{where}.skip", 0)


def _blocks(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the descriptions of a RecNet's blocks in order; an older form calls them `layers`."""
    key = "layers" if "blocks" not in data and "layers" in data else "blocks"
    blocks = mapping(required(data, key), key)
    if not blocks:
        raise MissingKey(f"{key} is empty, expected at least one block: re-export the model")
    found = [mapping(required(blocks, str(i), key), f"{key}['{i}']") for i in range(len(blocks))]
    return [{"unit_type": block.get("block_type", block.get("layer_name"))} | block for block in found]


def _block(
    graph: Graph, source: int, width: int, model: dict[str, Any], where: str, state: State, prefix: str
) -> tuple[int, int]:
    """Append the recurrent layers, linear layer and direct path of one block; return its output node and width."""
    unit = at(model, "unit_type", where, one_of, GATES)
    hidden = integer_at(model, "hidden_size", where)
    outputs = integer_at(model, "output_size", where, 1)
    entered = integer_at(model, "input_size", where)
    last, into = source, width
    if entered != width:
        raise UnsupportedInput(f"{where}.input_size is {entered}, expected the {width} outputs of the block before")
    for layer in range(_layers(model, where)):
        last = graph.add(recurrent(state, f"{prefix}rec.", last, unit, into, hidden, layer))
        into = hidden
    if model.get("bias_fl", False) in (True, 1):
        state.take(f"{prefix}lin.bias", (outputs,))
    graph.add(linear(state, f"{prefix}lin.", last, hidden, outputs))
    _append_skip(graph, source, width, _skip(model, where, 1), outputs)
    return graph.output, outputs


def _append_skip(graph: Graph, source: int, width: int, skip: int, outputs: int) -> None:
    """Add the first `skip` features of `source` to the last node; a single feature is added to every output."""
    kept, last = min(skip, width), graph.output
    if not kept:
        return
    if kept not in (1, outputs):
        raise UnsupportedInput(f"skip adds {kept} inputs to {outputs} outputs, expected 1 or as many as there are")
    if kept < width:
        before = graph.nodes[source].sources
        entrance = graph.nodes[before[0]] if before else None
        audio = isinstance(entrance, Input) and entrance.channels == kept  # the audio is a node of its own
        source = before[0] if audio else graph.add(Slice((source,), 0, kept))
    if kept < outputs:
        source = graph.add(Dense((source,), weight=np.ones((outputs, 1)), bias=np.zeros(outputs)))
    graph.add(Add((last, source)))


def _gated(model: dict[str, Any], state: State) -> Graph:
    """Return the graph of a GatedConvNet."""
    blocks, count, channels, taps, growth = (
        integer(required(model, key, "model_data"), f"model_data.{key}")
        for key in ("blocks", "layers", "channels", "kernel_size", "dilation_growth")
    )
    at_most(channels, WIDTH, "model_data.channels")
    layers, width = [], 1
    for block in range(blocks):
        dilation = 1
        for index in range(count):
            prefix = f"blocks.{block}.layers.{index}."
            weight = state.take(f"{prefix}conv.weight", (2 * channels, width, taps))
            bias = state.take(f"{prefix}conv.bias", (2 * channels,))
            mixed = state.take(f"{prefix}mix.weight", (channels, channels, 1))[:, :, 0]
            layers.append(Layer(weight, bias, dilation, mixed, state.take(f"{prefix}mix.bias", (channels,))))
            dilation, width = dilation * growth, channels
            if dilation.bit_length() > 64:
                raise ResourceLimit(f"dilation_growth is {shown(growth)}: dilation beyond 2^64: use a smaller model")
    head = state.take(f"blocks.{blocks}.weight", (1, channels * len(layers), 1))[:, :, 0]
    graph = Graph([Input(())])
    append_stack(graph, 0, layers, "gated", head, state.take(f"blocks.{blocks}.bias", (1,)))
    return graph
