"""The rig that a command's words and flags name: a set list, one of its presets, or a single model."""

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


@dataclass(frozen=True)
class RigFlags:
    """What the shared flags say: which rig, and how it is played.

    Parameters
    ----------
    model : tuple of str
        Each is a preset.
    options : Options
        Its cabinet is the one for every preset.
    values : tuple of (str, float or str)
        Address and value of each parameter that was named.
    in_gain, out_gain : float, optional
        dB; None: the set list's.
    model_rate : float, optional
        Hz; the rate that a single model was made for.
    inputs : str, optional
        What the inputs of models are: as for `Rig`.
    """

    model: tuple[str, ...] = ()
    options: Options = Options()
    values: tuple[tuple[str, Any], ...] = ()
    in_gain: float | None = None
    out_gain: float | None = None
    model_rate: float | None = None
    inputs: str | None = None


def build(what: str | None, flags: RigFlags) -> Rig:
    """Return the rig that the words and flags name.

    Parameters
    ----------
    what : str or None
        ``RIG.yaml[:preset]``, or a model; at most one of `what` and ``--model`` may be given. Each of several models
        is a preset.

    Raises
    ------
    UsageError
        Nothing or too much was named, or a flag does not fit.
    RtfxError
        A file that is not found or not understood.
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
    """Return names, those with a number behind them that there have been before, in any case."""
    result: dict[str, str] = {}
    for name in names:
        spellings = itertools.chain([name], (f"{name} {number}" for number in itertools.count(2)))
        free = next(text for text in spellings if same_name(text) not in result)
        result[same_name(free)] = free
    return list(result.values())


def _default_chain(name: str, flags: RigFlags) -> list[Any]:
    """Return what a model alone is played through: a gate that is off and a flat equaliser, to be turned on and up."""
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
    """Return `name` if it names a set list without its suffix, and no model."""
    from .find import find_model, find_preset

    if name.startswith("random:"):
        return None
    try:
        find_model(name)
    except NotAModelFile:
        try:
            find_preset(name)
        except PresetError:
            return None  # the model reader's error says where it looked
        return name
    return None
