"""A Keras model's config, Sequential or functional, as a graph; models inside models are laid out flat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import ModelError, ResourceLimit, UnsupportedArchitecture, UsageError
from ..limits import NODES, WIDTH, at_most
from ..nodes import Add, Affine, Concat, Mul, Node
from ..spec import UNKNOWN_RATE, Knob, ModelSpec, check_limits
from .inputs import input_nodes, sort_inputs, with_knobs
from .keras_layers import layer_nodes
from .rtneural import entrance
from .torch_layers import add

JOINS: dict[str, type[Node]] = {"Add": Add, "Multiply": Mul, "Concatenate": Concat, "Subtract": Add}
MODELS = ("Functional", "Sequential", "Model")
OWN = "keras"  # where Keras' own classes live
Weights = Mapping[str, Any]  # of each layer its tensors in Keras' order, of a model inside again such a mapping
Value = tuple[str, int]  # what a layer gives the n-th time it is called


@contextmanager
def understood() -> Iterator[None]:
    """Turn what a config that is not Keras' own makes of the code that walks it into a ModelError."""
    try:
        yield
    except ModelError:
        raise
    except RecursionError as error:
        raise ResourceLimit("models inside models nested too deeply, expected a few levels") from error
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise UnsupportedArchitecture(f"not understood ({type(error).__name__}: {str(error)[:100]})") from error


def spec_from_config(
    config: dict[str, Any],
    weights: Weights,
    width: int,
    knobs: Sequence[str] | None,
    sample_rate: float | None,
    name: str,
    asked: str | None = None,
) -> ModelSpec:
    """Return the model that a config of `width` input features describes; `asked` is as `sort_inputs` has it.

    Raises
    ------
    ModelError
        UnsupportedArchitecture names the layer that rtfx has none for.
    """
    with understood():
        kinds = [{"type": str(entry["class_name"]).lower()} for entry in config["layers"]]
        nodes = input_nodes(at_most(width, WIDTH, "features of the input"), ())
        last = _model(nodes, len(nodes) - 1, config, weights)
        if last != len(nodes) - 1:
            raise UnsupportedArchitecture("the output is not the last layer: layers behind it reach nothing")
    warnings: list[str] = []
    if knobs is not None and asked is None:
        if not len(set(knobs)) == len(knobs) < width:
            raise UsageError(
                f"{len(knobs)} knobs are named: {', '.join(knobs)}; expected at most {width - 1}, each with a name of "
                "its own"
            )
        sorted_out = tuple(Knob(knob) for knob in knobs)
    else:
        stated = tuple(Knob(knob) for knob in knobs or ())
        sorted_out = sort_inputs(width, width_of(nodes), warnings, asked, stated, **entrance(kinds, width))
    spec = ModelSpec(
        family="keras",
        nodes=with_knobs(nodes, sorted_out),
        name=name,
        sample_rate=sample_rate,
        rate_source="user" if sample_rate else "unknown",
        knobs=sorted_out,
        warnings=tuple(warnings if sample_rate else [*warnings, UNKNOWN_RATE]),
    )
    return check_limits(spec)


def _model(nodes: list[Node], source: int, config: dict[str, Any], weights: Weights) -> int:
    """Append a model that reads node `source`; return its output."""
    entries = config["layers"]
    at_most(len(entries), NODES, "number of layers")
    functional = any(entry.get("inbound_nodes") for entry in entries)
    if not functional:
        for entry in entries:
            source = _called(nodes, [source], entry, weights)
        return source
    places: dict[Value, int] = {}
    waiting: list[tuple[Value, dict[str, Any], list[Value | float]]] = []
    for entry in entries:
        if entry["class_name"] == "InputLayer":
            if places:
                raise UnsupportedArchitecture(
                    f"layer {str(entry['config']['name'])[:60]}: a second input, expected one"
                )
            places[entry["config"]["name"], 0] = source
        else:
            calls = [(_named(entry), i, list(_arguments(call))) for i, call in enumerate(entry["inbound_nodes"])]
            waiting += [((name, i), entry, arguments) for name, i, arguments in calls]
    at_most(len(waiting), NODES, "number of layers")
    while waiting:  # mostly one round: Keras lists layers nearly in the order of their computation
        later = []
        for value, entry, arguments in waiting:
            if any(isinstance(argument, tuple) and argument not in places for argument in arguments):
                later.append((value, entry, arguments))
                continue
            sources = [places[argument] if isinstance(argument, tuple) else argument for argument in arguments]
            places[value] = _called(nodes, sources, entry, weights)
        if len(later) == len(waiting):
            raise UnsupportedArchitecture(f"layer {str(later[0][0][0])[:60]} reads itself or a layer that is not there")
        waiting = later
    outputs = config["output_layers"]
    outputs = [outputs] if isinstance(outputs[0], str) else outputs
    if len(outputs) != 1:
        raise UnsupportedArchitecture(f"{len(outputs)} outputs, expected one: join them by Concatenate")
    return places[outputs[0][0], outputs[0][1]]


def _named(entry: dict[str, Any]) -> str:
    """Return a layer's name, having refused what is not Keras' own."""
    name = entry["config"]["name"]
    registered = entry.get("registered_name") or ""
    module = entry.get("module") or OWN
    if ">" in registered or module.split(".")[0] != OWN:
        raise UnsupportedArchitecture(
            f"layer {str(name)[:60]} is a custom one, {str(registered or module)[:60]}, whose code is never run"
        )
    return name


def _called(nodes: list[Node], sources: list[Any], entry: dict[str, Any], weights: Weights) -> int:
    """Append one call of a layer that reads nodes, and numbers where an operation has them; return its output."""
    kind, config, name = entry["class_name"], entry["config"], _named(entry)
    where = f"layer {str(name)[:60]} ({str(kind)[:40]})"
    if kind == "InputLayer":
        return sources[0]
    if kind in JOINS:
        return _joined(nodes, sources, kind, config, where)
    if len(sources) != 1 or isinstance(sources[0], float):
        raise UnsupportedArchitecture(f"{where}: called with {len(sources)} signals, expected one")
    last = sources[0]
    if kind in MODELS:
        return _model(nodes, last, config, weights[name])
    if kind in ("ZeroPadding1D", "Cropping1D"):
        if config.get("padding", config.get("cropping"))[1]:
            raise UnsupportedArchitecture(f"{where}: frames at the end, expected at the beginning only")
        return last
    if kind == "Rescaling":
        return _scaled(nodes, last, float(config["scale"]), float(config["offset"]))
    made = list(layer_nodes(last, kind, config, list(weights.get(name, ())), where))
    for i, node in enumerate(made):
        last = add(nodes, replace(node, sources=(last if not i else len(nodes) - 1,)))
    return last


def _joined(nodes: list[Node], sources: list[Any], kind: str, config: dict[str, Any], where: str) -> int:
    """Append a sum, product, difference or concatenation; one with a number is a gain or an offset."""
    constants = [each for each in sources if isinstance(each, float)]
    signals = [each for each in sources if not isinstance(each, float)]
    if not signals or (constants and (len(sources) != 2 or kind == "Concatenate")):
        raise UnsupportedArchitecture(f"{where}: arguments that rtfx does not understand")
    if kind == "Concatenate" and config.get("axis", -1) not in (-1, 2):
        raise UnsupportedArchitecture(f"{where}: joins along axis {str(config['axis'])[:20]}, expected the features'")
    if constants:
        if kind == "Multiply":
            return _scaled(nodes, signals[0], constants[0], 0.0)
        if kind == "Add":
            return _scaled(nodes, signals[0], 1.0, constants[0])
        first = isinstance(sources[0], float)
        return _scaled(nodes, signals[0], -1.0 if first else 1.0, constants[0] if first else -constants[0])
    if kind == "Subtract":
        if len(signals) != 2:
            raise UnsupportedArchitecture(f"{where}: a difference of {len(signals)} signals, expected two")
        signals = [signals[0], _scaled(nodes, signals[1], -1.0, 0.0)]
    return add(nodes, JOINS[kind](tuple(signals)))


def _scaled(nodes: list[Node], source: int, scale: float, shift: float) -> int:
    """Append a gain and an offset, the same for all features."""
    ones = np.ones(at_most(width_of(nodes[: source + 1]), NODES, "features"))
    return add(nodes, Affine((source,), scale=scale * ones, shift=shift * ones))


def width_of(nodes: Sequence[Node]) -> int:
    """Return the features of the last node."""
    widths: list[int] = []
    for node in nodes:
        joined = isinstance(node, Concat)
        widths.append(sum(widths[s] for s in node.sources) if joined else node.width or widths[node.sources[0]])
    return widths[-1]


def _arguments(value: Any) -> Iterator[Value | float]:
    """Yield what a layer is called with: signals, and numbers of an operation."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            layer, call, part = value["config"]["keras_history"]
            yield _signal(layer, call, part)
        elif "args" in value:
            yield from _arguments(value["args"])
            for key, entry in value.get("kwargs", {}).items():
                signals = list(_arguments(entry)) if isinstance(entry, (dict, list)) else []
                if signals or (entry is not None and key not in ("training", "mask")):
                    raise UnsupportedArchitecture(f"a layer is called with {key[:40]}=..., expected signals alone")
        else:
            raise UnsupportedArchitecture("a layer is called with an object, expected signals alone")
    elif isinstance(value, (list, tuple)):
        if value and isinstance(value[0], str):  # Keras 2: name, call, part, further arguments
            if len(value) > 3 and value[3]:
                raise UnsupportedArchitecture(f"layer {value[0][:60]} is passed on with arguments, expected it alone")
            yield _signal(value[0], value[1], value[2])
        else:
            for entry in value:
                yield from _arguments(entry)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield float(value)
    elif value is not None:
        raise UnsupportedArchitecture(f"a layer is called with {str(value)[:40]!r}, expected signals alone")


def _signal(layer: Any, call: Any, part: Any) -> Value:
    if part != 0:
        raise UnsupportedArchitecture(f"the state of layer {str(layer)[:60]} is used, expected its output alone")
    return str(layer), int(call)
