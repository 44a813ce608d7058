"""The block ``random`` of set lists: it has the keys of a random net instead of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any

from ..errors import UsageError, did_you_mean
from .parameters import Parameter
from .yaml_marks import Marked

TYPE = "random"
SUMMARY = "an untrained net with random weights, the same for the same keys everywhere"
KIND, LINK = "kind", "link"
SWITCH = OFF, ON = "false", "true"
OTHERS = ("type", "id", "level", "input_db", "level_db", LINK)
LINKED = "takes from level_db what input_db adds"
WHAT = {
    "seed": "the preset's number: every one is another net",
    "layers": "how many convolutions follow each other",
    "channels": "how many signals go side by side",
    "kernel": "how many frames each convolution spans",
    "dilation": "layer i takes every dilation ** i-th frame",
    "activation": "the bend behind each layer",
    "init": "how weights are drawn",
    "bias": "a constant in every layer",
    "depthwise": "middle layers take one signal each",
    "semantics": "as labelled, as compiled, or the research code",
    "inputs": "channels that it takes together",
    "outputs": "channels that it gives",
    "film_dim": "numbers in the condition of semantics python",
}


@cache
def parameters(kind: str) -> tuple[Parameter, ...]:
    """Return the parameters of a random net besides its levels: `link` and its settings, which are structural."""
    from ..model.random.net_settings import CHOICES, RANGES
    from ..model.random.nets import KINDS

    found = [Parameter(LINK, OFF, kind="stepped", choices=SWITCH, summary=LINKED)]
    for field in fields(KINDS[kind]):
        default: Any = field.default
        what, choices = WHAT.get(field.name, ""), CHOICES.get(field.name, ())
        if isinstance(default, bool):
            default, choices = str(default).lower(), SWITCH
        if choices:
            found.append(Parameter(field.name, default, kind="structural", choices=choices, summary=what))
        elif field.name in RANGES:
            low, high = RANGES[field.name]
            found.append(Parameter(field.name, default, low, high, kind="structural", summary=what, whole=True))
    return tuple(found)


def as_model(keys: dict[str, Marked], line: int) -> dict[str, Marked]:
    """Return the keys of the model block that is equivalent to a random block in a set list.

    `kind` is tcn (the default), gru or lstm.

    Raises
    ------
    UsageError
        An unknown kind, key or value of the net.
    """
    from ..model.random.nets import KINDS, check_words

    left = dict(keys)
    kind = str(left.pop(KIND).value).lower() if KIND in left else "tcn"
    known = {field.name for field in fields(KINDS.get(kind, KINDS["tcn"]))}
    given = {key: left.pop(key) for key in list(left) if key.lower() in known}
    for key in left:
        if key not in OTHERS:
            allowed = (*sorted(known), KIND, *OTHERS)
            raise UsageError(f"unknown key {key!r}{did_you_mean(key, allowed)}, allowed: {', '.join(allowed)}")
    words = "&".join(f"{key.lower()}={_word(item)}" for key, item in given.items())
    text = f"{kind}?{words}"
    check_words(text)
    left["file"] = Marked(f"random:{text}", line)
    return left


def model_of(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return the model block that is equivalent to a random block; both are mappings as a caller writes them.

    Raises
    ------
    UsageError
        An unknown kind, key or value of the net.
    """
    marked = {key: _marked(value) for key, value in block.items() if key != "type"}
    keys = {key: item.plain for key, item in as_model(marked, 0).items()}
    return {"id": TYPE, **keys, "type": "model"}


def turned_in(file: Any) -> tuple[Parameter, ...]:
    """Return the parameters that a block has besides those of its type; only random nets have some."""
    from ..model.random.nets import KINDS

    kind = str(file).removeprefix("random:").partition("?")[0].lower()
    return parameters(kind) if str(file).startswith("random:") and kind in KINDS else ()


def described() -> list[dict[str, Any]]:
    """Return the keys of the block, first those of its net, in the form that ``rtfx info --blocks`` lists."""
    from ..model.random.net_settings import CHOICES, RANGES
    from ..model.random.nets import KINDS

    found = [_key(KIND, "tcn", tuple(KINDS), "gru and lstm take fewer keys")]
    for field in fields(KINDS["tcn"]):
        choices = SWITCH if isinstance(field.default, bool) else CHOICES.get(field.name, ())
        found.append(_key(field.name, field.default, choices, WHAT.get(field.name, ""), *RANGES.get(field.name, ())))
    found.append(_key(LINK, False, SWITCH, LINKED))
    levels = [_key("input_db", 0, (), "dB before the net", -40, 40), _key("level_db", 0, (), "dB behind it", -60, 40)]
    return found + levels


def _key(name: str, default: Any, choices: tuple, summary: str, low: float | None = None, high: float | None = None):
    shown = str(default).lower() if isinstance(default, bool) else "none" if default == "" else default
    span = {"min": low, "max": high, "default": shown, "unit": "", "kind": "structural"}
    return {"name": name, **span, "choices": list(choices), "summary": summary}


def _marked(value: Any) -> Marked:
    if isinstance(value, list | tuple):
        return Marked([_marked(each) for each in value], 0)
    return Marked(SWITCH[value] if isinstance(value, bool) else value, 0)


def _word(item: Marked) -> str:
    if isinstance(item.value, list):
        return ",".join(str(part) for part in item.plain)
    return str(item.value)
