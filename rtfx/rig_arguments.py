"""Builds the rig that the arguments of a command name: a set list, one of its presets, or a single model."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import NotAModelFile, PresetError, UsageError, quoted, same_name
from .rig.parameters import Options

if TYPE_CHECKING:
    from .api import Rig

SET_LIST = re.compile(r"^(?P<path>.+\.ya?ml)(?::(?P<preset>.+))?$", re.IGNORECASE)
PACKED = re.compile(r"^(?P<path>.+\.rtfx)(?::(?P<preset>.+))?$", re.IGNORECASE)


@dataclass(frozen=True)
class RigFlags:
    """The flags that several commands share: the rig and its options.

    Parameters
    ----------
    model : tuple of str
        Model names; each model becomes a preset.
    options : Options
        The options of the rig; the cabinet applies to every preset.
    values : tuple of (str, float or str)
        Address and value of each parameter that a flag sets.
    in_gain, out_gain : float, optional
        dB; None: the set list's.
    model_rate : float, optional
        Hz; the rate that a single model was made for.
    inputs : str, optional
        How models with several inputs use them, as for `Rig`.
    """

    model: tuple[str, ...] = ()
    options: Options = Options()
    values: tuple[tuple[str, Any], ...] = ()
    in_gain: float | None = None
    out_gain: float | None = None
    model_rate: float | None = None
    inputs: str | None = None


def build(what: str | None, flags: RigFlags) -> Rig:
    """Return the rig that the arguments name.

    Parameters
    ----------
    what : str or None
        ``RIG.yaml[:preset]`` or a model; `what` and ``--model`` exclude each other. Each of several models is a preset.

    Raises
    ------
    UsageError
        No rig or more than one is named, or a flag does not apply to it.
    RtfxError
        A file does not exist or cannot be read.
    """
    if what is not None and flags.model:
        raise UsageError(f"{quoted(what)} and --model {quoted(flags.model[0])} were given, expected one of them")
    names = flags.model if what is None else (what,)
    if not names and flags.options.cab in (None, "none"):
        raise UsageError("nothing to play through: name a model or a set list, such as --model klon.json")
    from .api import Rig

    if not names:
        return Rig([], cab=flags.options.cab)
    set_list = SET_LIST.match(names[0])
    if packed := PACKED.fullmatch(names[0]):
        from .pack import unpack

        set_list = SET_LIST.match(f"{unpack(packed['path'])}:{packed['preset'] or ''}".removesuffix(":"))
    path = set_list["path"] if set_list else _bare_set_list(names[0])

    if path is not None and len(names) == 1:
        if flags.model_rate:
            raise UsageError("--model-rate is for a single model, found a set list: state device.sample_rate there")
        rig = Rig.from_yaml(path, set_list["preset"] if set_list else None, flags.inputs)
    else:
        rigs = [Rig(_default_chain(name, flags), inputs=flags.inputs) for name in names]
        titles = numbered(name if name.startswith("random:") else Path(name).stem for name in names)
        presets = [replace(one.preset, name=title) for one, title in zip(rigs, titles, strict=True)]
        rig = rigs[0]
        rig.set_list = replace(rig.set_list, presets=tuple(presets))
    rig.options = flags.options
    return rig


def numbered(names: Iterable[str]) -> list[str]:
    """Return names made unique by a number after each repeated one; upper and lower case count as equal."""
    result: dict[str, str] = {}
    for name in names:
        spellings = itertools.chain([name], (f"{name} {number}" for number in itertools.count(2)))
        free = next(text for text in spellings if same_name(text) not in result)
        result[same_name(free)] = free
    return list(result.values())


def _default_chain(name: str, flags: RigFlags) -> list[Any]:
    """Return the chain for a single model: it has a gate that is off and a flat equaliser, which the player can use."""
    from .effects.gate import OFF_DB

    return [{"type": "gate", "threshold_db": OFF_DB}, _model(name, flags), {"type": "eq"}]


def _model(name: str, flags: RigFlags) -> Any:
    if flags.model_rate is None:
        return {"type": "model", "file": name}
    from .api import Model
    from .model.load import load

    spec = load(name, inputs=flags.inputs)
    return Model(replace(spec, sample_rate=flags.model_rate, rate_source="user"))


def _bare_set_list(name: str) -> str | None:
    """Return `name` if it is the name of a set list without suffix and not the name of a model, else None."""
    from .find import find_model, find_preset

    if name.startswith("random:"):
        return None
    try:
        find_model(name)
    except NotAModelFile:
        try:
            find_preset(name)
        except PresetError:
            return None  # the model reader's error lists the folders searched
        return name
    return None
