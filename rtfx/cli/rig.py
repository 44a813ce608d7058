"""The flags that say what is played, shared by play and render, and the rig they make."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import NotAModelFile, PresetError, UsageError
from .output import status

if TYPE_CHECKING:
    from ..api import Rig
    from ..model.spec import ModelSpec

SET_LIST = re.compile(r"^(?P<path>.+\.ya?ml)(?::(?P<preset>.+))?$", re.IGNORECASE)
RATE_METHODS = ("auto", "delay", "dilate", "resample")
PHASES = ("linear", "minimum")


class Number(click.FloatRange):
    """A finite number in a range."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> float:
        number = super().convert(value, param, context)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, context)
        return number


def _known_compat(context: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None:  # what is known is NumPy's import away
        from ..model.load import check_compat

        check_compat(value)
    return value


compat_option = click.option(
    "--compat", metavar="NAME", callback=_known_compat, help="Read NAM files as former players did: nam-0.5.5."
)


def _by_rule(context: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        from ..plan.wisdom import IGNORE

        os.environ[IGNORE] = "1"


deterministic_option = click.option(
    "--deterministic", is_flag=True, expose_value=False, callback=_by_rule, help="Ignore what rtfx tune has measured."
)
fast_math_option = click.option(
    "--fast-math", is_flag=True, help="Coarser gates in LSTM and GRU layers; says by how much."
)
_OPTIONS = (
    click.option("--model", metavar="M", help="A model: a path, a name, or random:KIND?key=value&..."),
    click.option("--cab", metavar="IR.wav|none", help="Cabinet response at the end of the chain; none: no cabinet."),
    click.option("-p", "parameters", metavar="NAME=VALUE", multiple=True, help="Turn a parameter: -p gain=0.7."),
    click.option("--in-gain", type=Number(-120, 120), metavar="DB", help="Gain before the chain, in dB."),
    click.option("--out-gain", type=Number(-120, 120), metavar="DB", help="Gain after the chain, in dB."),
    click.option("--bare", is_flag=True, help="The model's own function only: no levels, cab, DC blocker, limiter."),
    click.option("--cold", is_flag=True, help="Start models without prewarming them."),
    click.option("--model-rate", type=Number(1000, 768000), metavar="HZ", help="The rate the model was made for."),
    click.option("--rate-method", type=click.Choice(RATE_METHODS), default="auto", help="How to run at another rate."),
    click.option(
        "--resample-phase", type=click.Choice(PHASES), default="linear", help="minimum: a tenth of the delay of linear."
    ),
    click.option(
        "--level", metavar="NAME", help="normal (all equally loud), plugin, none, or a plugin that info names."
    ),
    click.option("--no-normalise", is_flag=True, help="Do not bring models to a common level: --level none."),
    click.option(
        "--interface-dbu", type=Number(-60, 60), metavar="DB", help="What the interface turns into full scale, in dBu."
    ),
    compat_option,
    deterministic_option,
    fast_math_option,
)


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
    fast_math: bool
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


def rig_options(function: Callable) -> Callable:
    """Give a command the shared flags; it receives them as one `RigFlags` named `flags`."""

    def command(**values: Any) -> Any:
        names = RigFlags.__dataclass_fields__
        flags = RigFlags(**{name: values.pop(name) for name in names})
        return function(flags=flags, **values)

    command.__name__, command.__doc__ = function.__name__, function.__doc__
    command.__click_params__ = list(getattr(function, "__click_params__", []))  # type: ignore[attr-defined]
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def debug_option(function: Callable) -> Callable:
    """Accept ``--debug`` behind the verb too; `main` looks for it among all arguments."""
    return click.option("--debug", is_flag=True, expose_value=False, help="Print the traceback of an error.")(function)


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
    from ..api import Rig

    if named is None:
        return Rig([], cab=flags.cab)
    set_list = SET_LIST.match(named)
    path = set_list["path"] if set_list else _bare_set_list(named)

    if path is not None:
        if flags.model_rate:
            raise UsageError("--model-rate is for a single model, found a set list: state device.sample_rate there")
        rig = Rig.from_yaml(path, set_list["preset"] if set_list else None, flags.compat, flags.fast_math)
    else:
        rig = Rig([_model(named, flags)], compat=flags.compat, fast_math=flags.fast_math)
        label = named if named.startswith("random:") else Path(named).stem
        rig.set_list = replace(rig.set_list, presets=tuple(replace(p, name=label) for p in rig.presets))
    rig.cab = flags.cab
    return rig


def _model(name: str, flags: RigFlags) -> Any:
    if flags.model_rate is None:
        return {"type": "model", "file": name}
    from ..api import Model
    from ..model.coarse import coarse
    from ..model.load import load

    spec = load(name, flags.compat)
    spec = coarse(spec) if flags.fast_math else spec
    return Model(replace(spec, sample_rate=flags.model_rate, rate_source="user"))


def tell_fast_math(specs: Iterable[ModelSpec]) -> None:
    """Say what coarser gates change in each model that has them."""
    from ..model.coarse import is_coarse
    from ..verify import verify

    told = list({id(spec): spec for spec in specs if is_coarse(spec)}.values())
    for spec in told:
        found = verify(spec)
        name = f"{spec.name}: " if spec.name else ""
        status(f"fast maths: {name}peak error {found.peak_error_db:.1f} dB, ESR {found.esr:.1e} on the stock clip")
    if not told:
        status("fast maths: no LSTM or GRU layer here, every sample is the usual one")


def _bare_set_list(name: str) -> str | None:
    """Return `name` if it names a set list without its suffix, and no model."""
    from ..find import find_model, find_preset

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


def parameter_values(flags: RigFlags) -> dict[str, Any]:
    """Return ``-p`` as values by address, or raise UsageError; the rig checks names and ranges."""
    values: dict[str, Any] = {}
    for text in flags.parameters:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise UsageError(f"-p {text!r}: expected NAME=VALUE, such as -p gain=0.7")
        try:
            values[name.strip()] = float(value)
        except ValueError:
            values[name.strip()] = value.strip()
    return values
