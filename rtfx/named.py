"""The rig that a command's words and flags name: a set list, one of its presets, or a single model."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import NotAModelFile, PresetError, UsageError

if TYPE_CHECKING:
    from .api import Rig

SET_LIST = re.compile(r"^(?P<path>.+\.ya?ml)(?::(?P<preset>.+))?$", re.IGNORECASE)


@dataclass(frozen=True)
class RigFlags:
    """What the shared flags say; gains in dB, rates in Hz."""

    model: str | None
    cab: str | None
    parameters: tuple[str, ...]
    in_gain: float | None
    out_gain: float | None
    bare: bool
    cold: bool
    model_rate: float | None
    rate_method: str
    level: str | None
    resample_phase: str
    no_normalise: bool
    compat: str | None
    inputs: str | None
    interface_dbu: float | None

    @property
    def named_level(self) -> str | None:
        """The level that was asked for, None for the preset's."""
        if self.no_normalise and self.level not in (None, "none"):
            raise UsageError(f"--no-normalise and --level {self.level} were given, expected one of them")
        return "none" if self.no_normalise else self.level

    @property
    def models(self) -> dict[str, Any]:
        """How models are played, as keyword arguments of `Rig`'s methods."""
        return {
            "bare": self.bare,
            "level": self.named_level,
            "rate_method": self.rate_method,
            "resample_phase": self.resample_phase,
            "interface_dbu": self.interface_dbu,
        }


def build(what: str | None, flags: RigFlags) -> Rig:
    """Return the rig that the words and flags name.

    Parameters
    ----------
    what : str or None
        ``RIG.yaml[:preset]``, or a model; at most one of `what` and ``--model`` may be given.

    Raises
    ------
    UsageError
        Nothing or too much was named, or a flag does not fit.
    RtfxError
        A file that is not found or not understood.
    """
    if what is not None and flags.model is not None:
        raise UsageError(f"{what!r} and --model {flags.model!r} were given, expected one of them")
    named = what if what is not None else flags.model
    if named is None and flags.cab in (None, "none"):
        raise UsageError("nothing to play through: name a model or a set list, such as --model klon.json")
    from .api import Rig

    if named is None:
        return Rig([], cab=flags.cab)
    set_list = SET_LIST.match(named)
    path = set_list["path"] if set_list else _bare_set_list(named)

    if path is not None:
        if flags.model_rate:
            raise UsageError("--model-rate is for a single model, found a set list: state device.sample_rate there")
        rig = Rig.from_yaml(path, set_list["preset"] if set_list else None, flags.compat, flags.inputs)
    else:
        rig = Rig([_model(named, flags)], compat=flags.compat, inputs=flags.inputs)
        label = named if named.startswith("random:") else Path(named).stem
        rig.set_list = replace(rig.set_list, presets=tuple(replace(p, name=label) for p in rig.presets))
    rig.cab = flags.cab
    return rig


def _model(name: str, flags: RigFlags) -> Any:
    if flags.model_rate is None:
        return {"type": "model", "file": name}
    from .api import Model
    from .model.load import load

    spec = load(name, flags.compat, flags.inputs)
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
