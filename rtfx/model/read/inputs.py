"""Decides the meaning of a net's inputs: audio channels, or one audio channel followed by knobs.

Files state the number of inputs but seldom their meaning. An input that a file names is a knob. Other inputs are
channels if the net has the same number of outputs, and otherwise what is usual in the file's family; a warning reports
each guess. The user may decide instead: ``inputs="channels"`` or ``inputs="knobs"``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...errors import UsageError, did_you_mean
from ..nodes import Concat, Input, Node
from ..spec import SIZE, Knob, ModelSpec
from ..values import unquoted

CHANNELS, KNOBS = "channels", "knobs"
CHOICES = (CHANNELS, KNOBS)
GUITAR = ("drive", "tone")  # the usual second and third input of guitar captures
OWN = ("input_db", "level_db", "level", "file", "type", "id", "inputs", SIZE, "sample_period")  # of every model block
SURE = ("controls", "knobs", "control_names", "knob_names", "control_channels", "inputs", "input_names")
PLACES = (*SURE, "parameters", "params", "parametric")  # keys of lists of knobs; the last may hold other data
ROW = re.compile(r"\[([^\]]*)\]")  # in words: "input = [audio ; dist ; tone]"
NAMES, LOW, HIGH, USUAL = (
    ("name", "label", "id"),
    ("min", "minimum", "min_value", "minval", "lower"),
    ("max", "maximum", "max_value", "maxval", "upper"),
    ("default", "default_value", "value", "initial"),
)
AUDIO = ("audio", "input", "in", "signal", "x")  # names of the first input in a list that names every input
LONGEST = 40  # longest name of a knob, in characters


def check_inputs(asked: str | None) -> None:
    """Raise UsageError unless `asked` is None or one of `CHOICES`."""
    if asked is not None and asked not in CHOICES:
        hint = did_you_mean(asked, CHOICES) if isinstance(asked, str) else ""
        raise UsageError(f"inputs is {asked!r}{hint}, expected one of: {', '.join(CHOICES)}")


def sort_inputs(
    width: int,
    outputs: int,
    warnings: list[str],
    asked: str | None = None,
    stated: Sequence[Knob] = (),
    usual: Sequence[str] = (),
    format_says: bool = False,
    unnamed: str = KNOBS,
    default: float = 0.5,
    taken: Sequence[str] = (),
) -> tuple[Knob, ...]:
    """Return the knobs among the inputs of a net: its last inputs; those before them are channels of audio.

    Parameters
    ----------
    width, outputs : int
        Inputs and outputs of the net.
    warnings : list of str
        A line about a guess is appended.
    asked : str, optional
        One of `CHOICES`; it overrides the file.
    stated : sequence of Knob
        The knobs that the file names.
    usual : sequence of str
        The usual names of the inputs after the audio in this family.
    format_says : bool
        The family's format defines these inputs as knobs, so that no guess is reported.
    unnamed : str
        One of `CHOICES`: the meaning of inputs without a name if the number of outputs differs.
    default : float
        Default of knobs for which the file states none.
    taken : sequence of str
        Names of the net's other knobs.
    """
    if width == 1 or asked == CHANNELS:
        return ()
    if stated and asked is None and outputs > 1 and len(stated) == width - outputs:
        return tuple(stated)  # several channels, and knobs for all of them
    names = [knob.name for knob in stated]
    names += [name for name in usual[len(names) :] if name not in (*names, *taken)]
    while len(names) < width - 1:
        name = f"input{len(names) + 2}"
        names.append(name + "_" * (name in (*names, *taken)))
    own = {knob.name: knob for knob in stated}
    knobs = tuple(own.get(name, Knob(name, default=default)) for name in names[: width - 1])
    if asked == KNOBS:
        return knobs
    if stated:
        if len(stated) != width - 1:
            warnings.append(
                f"the file names {len(stated)} knobs and its net has {width} inputs: the audio and {_listed(knobs)}; "
                "--inputs channels makes channels of them"
            )
        return knobs
    if outputs == width or (unnamed == CHANNELS and not usual):
        warnings.append(
            f"its {width} inputs are taken for channels of audio, {outputs} come out: --inputs knobs makes knobs of "
            "all but the first"
        )
        return ()
    if not format_says:
        warnings.append(
            f"its {width} inputs are taken for the audio and {_listed(knobs)}: --inputs channels makes channels of them"
        )
    return knobs


def _listed(knobs: Sequence[Knob]) -> str:
    shown = [knob.name for knob in knobs[:4]] + (["..."] if len(knobs) > 4 else [])
    return f"{'a knob' if len(knobs) == 1 else 'knobs'} {', '.join(shown)}"


def usual_names(recurrent: bool, width: int) -> tuple[str, ...]:
    """Return the usual names of the inputs after the audio: the knobs of a guitar capture if the net is recurrent."""
    return GUITAR if recurrent and width <= 1 + len(GUITAR) else ()


def stated_knobs(*places: Any) -> tuple[Knob, ...]:
    """Return the knobs that a file names, of the first of `places` that lists any under one of `PLACES`.

    A list holds names, or objects with a name and optionally a range, a default and a unit. An object has the names as
    keys, and such objects or defaults as values. Text has the names in brackets. A knob without a valid name is called
    ``input2`` and so on, an invalid range becomes 0 to 1, and an invalid default the middle of the range.
    """
    for place in places:
        for key in PLACES if isinstance(place, dict) else ():
            entries = place.get(key)
            if isinstance(entries, dict) and (key in SURE or all(isinstance(each, dict) for each in entries.values())):
                entries = [
                    {"name": name} | (entry if isinstance(entry, dict) else {"default": entry})
                    for name, entry in entries.items()
                ]
            elif isinstance(entries, str):
                row = ROW.search(entries[:1000])
                entries = [name.strip() for name in re.split("[;,]", row[1])] if row else None
            if not isinstance(entries, list) or not entries:
                continue
            described = [entry if isinstance(entry, dict) else {"name": entry} for entry in entries]
            if str(_first(described[0], NAMES)).lower() in AUDIO:
                described = described[1:]
            knobs: list[Knob] = []
            for i, entry in enumerate(described):
                knobs.append(_knob(entry, i, {knob.name for knob in knobs}))
            if knobs:
                return tuple(knobs)
    return ()


def _knob(entry: dict[str, Any], index: int, taken: set[str]) -> Knob:
    name = _first(entry, NAMES)
    # not in names: an address is block.name, and -p takes name=value
    name = "".join("_" if c in ".=" else c for c in str(name).strip()) if isinstance(name, str) else ""
    if not name or not name.isprintable() or len(name) > LONGEST or name in taken or name in OWN:
        name = f"input{index + 2}"
    low, high, usual = (_number(_first(entry, keys)) for keys in (LOW, HIGH, USUAL))
    low, high = (0.0 if low is None else low), (1.0 if high is None else high)
    if not low < high:
        low, high = 0.0, 1.0
    if usual is None or not low <= usual <= high:
        usual = 0.5 * (low + high)
    unit = entry.get("unit")
    return Knob(name, low, high, usual, unit[:10] if isinstance(unit, str) and unit.isprintable() else "")


def _first(entry: dict[str, Any], keys: Sequence[str]) -> Any:
    return next((entry[key] for key in keys if entry.get(key) is not None), None)


def _number(value: Any) -> float | None:
    value = unquoted(value)
    real = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e6
    return float(value) if real else None


def input_nodes(width: int, knobs: Sequence[str], sample_period: bool = False) -> list[Node]:
    """Return the input nodes, the last of them `width` features wide: audio, then knobs, then the sample period."""
    channels = width - len(knobs) - sample_period
    nodes: list[Node] = [Input(sources=(), channels=channels)]
    nodes += [Input(sources=(), role="knob", name=name) for name in knobs]
    if sample_period:
        nodes.append(Input(sources=(), role="sample_period", name="sample_period"))
    if len(nodes) > 1:
        nodes.append(Concat(sources=tuple(range(len(nodes)))))
    return nodes


def with_knobs(nodes: Sequence[Node], knobs: Sequence[Knob]) -> tuple[Node, ...]:
    """Return a graph whose first node takes all inputs as channels with the last of them as knobs."""
    first = nodes[0]
    assert isinstance(first, Input)
    if not knobs:
        return tuple(nodes)
    entrance = input_nodes(first.channels, [knob.name for knob in knobs])
    moved = len(entrance) - 1
    rest = [replace(node, sources=tuple(source + moved for source in node.sources)) for node in nodes[1:]]
    return (*entrance, *rest)


def without_knobs(spec: ModelSpec) -> ModelSpec:
    """Return the model that `with_knobs` has made a spec's nodes from, the spec itself where it did not."""
    names = [node.name for node in spec.nodes if isinstance(node, Input) and node.role == "knob"]
    entrance = input_nodes(spec.inputs + len(names), names)
    moved = len(entrance) - 1
    begins = [(type(node), node.sources) for node in spec.nodes[: moved + 1]]
    rest = spec.nodes[moved + 1 :]
    if not names or begins != [(type(node), node.sources) for node in entrance]:
        return spec
    if any(source < moved for node in rest for source in node.sources):
        return spec
    nodes = [replace(node, sources=tuple(source - moved for source in node.sources)) for node in rest]
    sizes = tuple((limit, without_knobs(size)) for limit, size in spec.sizes)
    first = Input((), channels=spec.inputs + len(names))
    return replace(spec, nodes=(first, *nodes), knobs=tuple(k for k in spec.knobs if k.name not in names), sizes=sizes)


def said_choice(asked: str | None, *places: Any) -> str | None:
    """Return the user's choice, else the file's entry ``inputs``, else None."""
    said = [place.get("inputs") for place in places if isinstance(place, dict)]
    return asked or next((word for word in said if isinstance(word, str) and word in CHOICES), None)


def choice_of(spec: ModelSpec) -> dict[str, str]:
    """Return the entry ``inputs`` that a file needs so that `said_choice` finds the same; {} if readers guess it."""
    knobs = sum(isinstance(node, Input) and node.role == "knob" for node in spec.nodes)
    if not knobs:
        return {"inputs": CHANNELS} if spec.inputs > 1 else {}
    return {"inputs": KNOBS} if spec.outputs == spec.inputs + knobs else {}
