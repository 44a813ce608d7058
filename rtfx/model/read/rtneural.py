"""Reads RTNeural JSON (a Keras network: ``in_shape``, ``layers``), the KlonCentaur files among it.

What the file does not say is inferred as follows. A recurrent net of two inputs takes audio and a knob `drive`, of
three audio, `drive` and `tone`, unless as many come out; KlonCentaur's three are audio, a knob `gain` and the sample
period in seconds. Any other width is that many audio channels. The rate is unknown, but 44.1 kHz for KlonCentaur's
one-input nets (their training data); its three-input nets are right at every rate. KlonCentaur files have no activation
key anywhere. With two-dimensional layers the audio inputs are the features of one frame, channels next to each other.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ...errors import ModelError
from ..spec import Knob, ModelSpec
from ..values import required
from .inputs import CHANNELS, GUITAR, input_nodes, said_choice, sort_inputs, stated_knobs
from .rates import find_rate
from .rtneural_layers import append_layers, one_shape, width_of

KLON_RATE = 44100.0
KLON_VOLTS_DB = -22.3  # the circuit's output clips at 13.1 V (KlonCentaur's output buffer): 13.1 V is full scale


def read(data: dict[str, Any], path: Path, inputs: str | None = None) -> ModelSpec:
    """Return the model in an RTNeural file.

    Parameters
    ----------
    data : dict
        The parsed file.
    path : Path
        Its stem is the model's name.
    inputs : str, optional
        What the inputs are, as `sort_inputs` has it.

    Raises
    ------
    ModelError
        A missing key, an unknown layer or activation, a shape that does not fit.
    """
    width = width_of(required(data, "in_shape"), "in_shape")
    layers = required(data, "layers")
    klon = klon_inputs(layers, width)
    warnings: list[str] = []
    knobs: tuple[Knob, ...] = (Knob("gain"),)
    if klon != 3:
        asked, stated = said_choice(inputs, data), stated_knobs(data)
        knobs = sort_inputs(width, outputs_of(layers), warnings, asked, stated, **entrance(layers, width))
    nodes = input_nodes(width, [knob.name for knob in knobs], sample_period=klon == 3)
    ignored, _ = append_layers(nodes, layers, width)
    facts: dict[str, Any] = {"family": "rtneural"}
    rate: float | None = None
    source = "any"
    if klon:
        facts = {"family": "klon", "kind": "pedal", "level_db": KLON_VOLTS_DB}
    if klon < 3:
        rate, source = find_rate(data, path, warnings, KLON_RATE if klon else None, "as all KlonCentaur nets")
    warnings += [*frame_warnings(data["in_shape"], layers), *ignored]
    return ModelSpec(
        nodes=tuple(nodes),
        name=path.stem,
        sample_rate=rate,
        rate_source=source,
        knobs=knobs,
        warnings=tuple(warnings),
        **facts,
    )


def frame_warnings(in_shape: list, layers: list) -> list[str]:
    """Return a warning for a net whose convolutions were trained on whole frames, without padding in time."""
    count = in_shape[1] if len(in_shape) > 2 else None
    for i, layer in enumerate(layers):
        shape = one_shape(layer.get("shape", ()))
        after = shape[1] if len(shape) > 2 else None
        if isinstance(count, int) and isinstance(after, int) and after < count:
            return [
                f"layers[{i}] leaves {after} frames of {count}, having been trained without padding: here every frame "
                "is computed from those before it"
            ]
        count = after
    return []


def klon_inputs(layers: Any, width: int) -> int:
    """Return the number of inputs of a KlonCentaur net, 0 for any other."""
    if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
        return 0
    types = [layer.get("type") for layer in layers]
    layouts = {1: ["gru", "dense"], 3: ["time-distributed-dense", "gru", "dense"]}
    bare = not any("activation" in layer for layer in layers)
    return width if bare and layouts.get(width) == types else 0


def recurrent(layers: Any) -> bool:
    """Tell whether a net has a recurrent layer, as captures with knobs have."""
    kinds = [layer.get("type") for layer in layers if isinstance(layer, dict)] if isinstance(layers, list) else []
    return any(re.search("lstm|gru", str(kind), re.IGNORECASE) for kind in kinds)


def entrance(layers: Any, width: int) -> dict[str, Any]:
    """Return what is usual for the inputs of a net that does not say it, as arguments of `sort_inputs`."""
    guitar = recurrent(layers) and width <= 1 + len(GUITAR)
    return {"usual": GUITAR if guitar else (), "unnamed": CHANNELS}


def outputs_of(layers: Any) -> int:
    """Return the outputs that the last layer declares, 0 where it does not."""
    last = layers[-1] if isinstance(layers, list) and layers else None
    try:
        return width_of(last.get("shape"), "shape") if isinstance(last, dict) else 0
    except ModelError:
        return 0
