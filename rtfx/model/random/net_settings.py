"""The settings of random nets, ``tcn?key=value&...``: checks each one, and predicts what the net costs.

Keys and names may be in upper or lower case. The cost is predicted from the settings alone, so a net that costs too
much is refused before memory for it is allocated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from ...errors import ResourceLimit, UsageError, did_you_mean
from .draw import ACTIVATIONS, INITS, PYTHON_INITS

SEMANTICS = ("intended", "as_shipped", "python")
CHOICES = {"activation": tuple(ACTIVATIONS), "init": (*INITS, *PYTHON_INITS), "semantics": SEMANTICS}
# ns on one core, AVX-512 at 3 GHz; measured 0.015 to 0.045 a multiply-add of full layers, 0.04 to 0.065 of single
# channels, 0.2 to 0.5 an activation
FULL_NS, SINGLE_NS, ACTIVATION_NS = 0.045, 0.08, 0.8
CELL_NS, CELL_MAC_NS = 25.0, 0.12  # ns; each frame of a recurrent layer waits for the frame before
RANGES = {
    "seed": (0, 2**32 - 2),
    "layers": (1, 24),
    "channels": (1, 64),
    "kernel": (1, 64),
    "dilation": (1, 4),
    "inputs": (1, 2),
    "outputs": (1, 2),
    "film_dim": (0, 4),
}
WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
# names of the same settings in RONN's research code
ALIASES = {
    "nlayers": "layers",
    "nchannels": "channels",
    "kernelsize": "kernel",
    "dilationgrowth": "dilation",
    "hidden": "channels",
    "hiddensize": "channels",
    "ninputs": "inputs",
    "noutputs": "outputs",
    "orthongonal": "orthogonal",  # misspelt there
}
HISTORY_BYTES = 256 << 20
LOAD = 0.8
RATE = 48000.0  # Hz, the sample rate for which the load is predicted
ORDER = ("dilation", "kernel", "channels", "layers")  # of equally small changes, the least audible comes first


@dataclass(frozen=True)
class Tcn:
    """A random convolution stack; the names are the keys of ``random:tcn?key=value``."""

    seed: int = 42
    layers: int = 6
    channels: int = 8
    kernel: int = 3
    dilation: int = 2
    activation: str = "tanh"
    init: str = "xavier_normal"
    bias: bool = False
    depthwise: bool = False  # middle layers convolve each channel on its own
    inputs: int = 1
    outputs: int = 1
    semantics: str = "intended"
    film: str = ""  # python: the condition, numbers with commas; empty: layers are neither scaled nor shifted
    film_dim: int = 2  # python: numbers in the condition; 0: the net has no part for it

    def __post_init__(self) -> None:
        if self.film and self.semantics != "python":
            raise UsageError(f"random:tcn: film is {self.film!r} with semantics={self.semantics}, expected python")
        if self.film and len(self.film_values) != self.film_dim:
            raise UsageError(
                f"random:tcn: film is {self.film!r}, expected film_dim={self.film_dim} numbers with commas"
            )

    @property
    def film_values(self) -> list[float]:
        """The condition; empty for none."""
        try:
            values = [float(part) for part in self.film.split(",")] if self.film else []
        except ValueError:
            values = []
        return values if all(abs(value) <= 1e3 for value in values) else []

    @property
    def biased(self) -> bool:
        """Whether convolutions have biases: the research code's always do."""
        return self.bias or self.semantics == "python"

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Return the shape of every layer's weights: (out, in of a group, taps)."""
        widths = [self.inputs, *[self.channels] * (self.layers - 1), self.outputs]
        inner = 1 if self.depthwise else self.channels
        inside = range(1, self.layers - 1)
        return [(widths[i + 1], inner if i in inside else widths[i], self.kernel) for i in range(self.layers)]

    @property
    def history_floats(self) -> int:
        """Past samples that the layers keep."""
        widths = [self.inputs, *[self.channels] * (self.layers - 1)]
        return sum((self.kernel - 1) * self.dilation**layer * width for layer, width in enumerate(widths))

    @property
    def frame_ns(self) -> float:
        """Estimated time per frame in ns, on the core for which the numbers above were measured."""
        shapes = self.shapes
        single = range(1, self.layers - 1) if self.depthwise else range(0)
        macs = sum((SINGLE_NS if i in single else FULL_NS) * math.prod(shape) for i, shape in enumerate(shapes))
        return macs + ACTIVATION_NS * sum(shape[0] for shape in shapes)

    @property
    def receptive_field(self) -> int:
        """Input frames that one output frame depends on."""
        return 1 + (self.kernel - 1) * sum(self.dilation**layer for layer in range(self.layers))


@dataclass(frozen=True)
class Recurrent:
    """A random recurrent net; the names are the keys of ``random:gru?key=value``."""

    seed: int = 42
    layers: int = 1
    channels: int = 8  # hidden size of every layer
    init: str = "xavier_normal"
    bias: bool = False
    inputs: int = 1
    outputs: int = 1

    gates = 3
    history_floats = 0

    @property
    def frame_ns(self) -> float:
        """Estimated time per frame in ns."""
        inputs = [self.inputs, *[self.channels] * (self.layers - 1)]
        macs = sum(self.gates * self.channels * (width + self.channels) for width in inputs)
        return CELL_NS * self.layers + CELL_MAC_NS * macs


@dataclass(frozen=True)
class RandomGru(Recurrent):
    """A random net of gated recurrent units."""


@dataclass(frozen=True)
class RandomLstm(Recurrent):
    """A random net of long short-term memory units."""

    gates = 4


def parse(text: str, kinds: Mapping[str, type]):
    """Return the settings in ``kind?key=value&...``, of the class of its kind.

    Raises
    ------
    UsageError
        The kind, a key or a value is unknown; the message lists the known ones.
    """
    kind, _, query = text.partition("?")
    if kind.lower() not in kinds:
        hint = did_you_mean(kind[:60], kinds)
        raise UsageError(f"random:{kind[:60]} is no kind of random net{hint}, known: {', '.join(kinds)}")
    kind = kind.lower()
    defaults = {field.name: field.default for field in fields(kinds[kind])}
    values: dict[str, int | str | bool] = {}
    for pair in filter(None, query.split("&")):
        given, equals, value = pair.partition("=")
        key = _known(given, defaults) or given
        if key in defaults and not equals:
            raise UsageError(f"random:{kind}: {given!r} has no value, expected {given}=VALUE")
        if key not in defaults:
            hint = did_you_mean(given[:60], defaults)
            raise UsageError(
                f"random:{kind} has no key {given[:60]!r}{hint}, expected key=value of: {', '.join(defaults)}"
            )
        if key in values:
            raise UsageError(f"random:{kind} names {key} twice, expected once")
        values[key] = _value(kind, key, value, type(defaults[key]))
    return kinds[kind](**values)


def canonical(key: str) -> str:
    """Return a key as `Tcn` spells it."""
    return _known(key, [field.name for field in fields(Tcn)]) or key


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _known(name: str, names) -> str | None:
    """Return the entry of `names` that equals `name` apart from case and underscores, None if there is none."""
    table = {_plain(known): known for known in names}
    wanted = _plain(name)
    return table.get(wanted) or table.get(ALIASES.get(wanted, ""))


def _value(kind: str, key: str, value: str, wanted: type) -> int | str | bool:
    """Return one setting, checked."""
    if wanted is bool:
        if value.lower() not in WORDS:
            raise UsageError(f"random:{kind}: {key} is {value[:60]!r}, expected true or false")
        return WORDS[value.lower()]
    if wanted is str and key in CHOICES:
        choice = _known(value, CHOICES[key])
        if choice is None:
            hint = did_you_mean(value[:60], CHOICES[key])
            raise UsageError(
                f"random:{kind}: {key} is {value[:60]!r}{hint}, expected one of: {', '.join(CHOICES[key])}"
            )
        return choice
    if wanted is str:
        return value[:60]
    low, high = RANGES[key]
    if not (value.isascii() and value.isdigit() and len(value) < 20 and low <= int(value) <= high):
        raise UsageError(f"random:{kind}: {key} is {value[:60]!r}, expected an integer from {low} to {high}")
    return int(value)


def check_cost(settings: Any, kind: str) -> None:
    """Raise ResourceLimit if a net costs too much; the message names both figures and the nearest setting that fits."""
    if _fits(settings):
        return
    history, load = settings.history_floats * 4 / 2**20, predicted_load(settings)
    raise ResourceLimit(
        f"random:{kind}: {history:.3g} MB of history and a predicted load of {load:.2f}, at most "
        f"{HISTORY_BYTES >> 20} MB and {LOAD:g}: {_words(settings, nearest(settings))} fits"
    )


def predicted_load(settings: Any) -> float:
    """Return the share of one core that the net needs at 48 kHz, 1 for all of it."""
    return settings.frame_ns * 1e-9 * RATE


def nearest(settings: Any) -> Any:
    """Return settings that fit, with one value reduced as little as possible, or two if one is not enough."""
    best, least = None, 2.0
    for key in ORDER:
        value = getattr(settings, key, RANGES[key][0])
        for smaller in range(value - 1, RANGES[key][0] - 1, -1):
            tried = replace(settings, **{key: smaller})
            if _fits(tried):
                if (value - smaller) / value < least:
                    best, least = tried, (value - smaller) / value
                break
    if best is None:
        key = max((key for key in ORDER if hasattr(settings, key)), key=lambda key: getattr(settings, key))
        return nearest(replace(settings, **{key: max(RANGES[key][0], getattr(settings, key) // 2)}))
    return best


def _fits(settings: Any) -> bool:
    return settings.history_floats * 4 <= HISTORY_BYTES and predicted_load(settings) <= LOAD


def _words(settings: Any, other: Any) -> str:
    changed = [key for key in ORDER if getattr(settings, key, None) != getattr(other, key, None)]
    return "&".join(f"{key}={getattr(other, key)}" for key in changed)
