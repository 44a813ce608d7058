"""Options that several commands share: the rig that is played, and how models are read."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

import click

from ..errors import UsageError
from ..rig.parameters import OVERSAMPLE, PHASE, PHASES, RATE_METHODS, Options
from ..rig_arguments import RigFlags


class Number(click.FloatRange):
    """A finite number in a range."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> float:
        number = super().convert(value, param, context)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, context)
        return number


def _by_rule(context: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        from ..plan.tuned import IGNORE

        os.environ[IGNORE] = "1"


deterministic_option = click.option(
    "--deterministic", is_flag=True, expose_value=False, callback=_by_rule, help="Ignore what rtfx tune has measured."
)
inputs_option = click.option(
    "--inputs",
    type=click.Choice(["channels", "knobs"]),
    help="What a model's inputs after the first are, whatever its file says.",
)
_OPTIONS = (
    click.option(
        "--model",
        multiple=True,
        metavar="M",
        help="A model: a path, a name, or random:KIND?key=value&...; may be given several times.",
    ),
    click.option(
        "--cab", "--ir", "cab", metavar="IR.wav|none", help="Cabinet response at the end of the chain, or none."
    ),
    click.option("-p", "parameters", metavar="NAME=VALUE", multiple=True, help="Set a parameter: -p gain=0.7."),
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
        "--oversample",
        type=click.Choice(OVERSAMPLE.choices),
        help="Run every model at so many times the sample rate: less aliasing, more load.",
    ),
    click.option("--phase", type=click.Choice(PHASE.choices), help="Of the filters around oversampled models."),
    click.option(
        "--level", metavar="NAME", help="normal (all equally loud), plugin, none, or a plugin that info names."
    ),
    click.option("--no-normalise", is_flag=True, help="Do not bring models to a common level: --level none."),
    click.option(
        "--interface-dbu",
        type=Number(-60, 60),
        metavar="DB",
        help="The level that the interface turns into full scale, in dBu.",
    ),
    inputs_option,
    deterministic_option,
)


HOW = tuple(each.name for each in fields(Options))
FLAGS = ("model", "parameters", "in_gain", "out_gain", "model_rate", "no_normalise", "inputs", *HOW)  # of `_OPTIONS`


def rig_options(function: Callable) -> Callable:
    """Give a command the shared flags; it receives them as one `RigFlags` named `flags`."""

    def command(**values: Any) -> Any:
        given = {name: values.pop(name) for name in FLAGS}
        return function(flags=_flags_of(given), **values)

    command.__name__, command.__doc__ = function.__name__, function.__doc__
    command.__click_params__ = list(getattr(function, "__click_params__", []))  # type: ignore[attr-defined]
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _flags_of(given: dict[str, Any]) -> RigFlags:
    """Return the shared flags as a `RigFlags`."""
    if given.pop("no_normalise"):
        if given["level"] not in (None, "none"):
            raise UsageError(f"--no-normalise and --level {given['level']} were given, expected one of them")
        given["level"] = "none"
    options = Options(**{name: given.pop(name) for name in HOW})
    return RigFlags(options=options, values=tuple(_parameter_values(given.pop("parameters")).items()), **given)


def wanted_latency(
    context: click.Context | None, param: click.Parameter | None, text: str | None
) -> str | float | None:
    """Return the value of ``--latency``: low, high, seconds, or None."""
    if text is None or text in ("low", "high"):
        return text
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.0 < seconds <= 10.0:
        raise UsageError(f"--latency is {text!r}, expected low, high or seconds, such as 0.01")
    return seconds


DEVICE_OPTIONS = (
    click.option("-i", "--input-device", metavar="D", help="Input device: index or part of its name."),
    click.option("-o", "--output-device", metavar="D", help="Output device."),
    click.option("--device", metavar="D", help="Both; null is the built-in device without hardware."),
    click.option("-r", "--rate", type=Number(1000, 768000), metavar="HZ", help="Sample rate of the device."),
    click.option(
        "-b", "--block", type=click.IntRange(0, 8192), default=0, metavar="FRAMES", help="Frames per block; 0: any."
    ),
    click.option(
        "--latency",
        metavar="low|high|SECONDS",
        callback=wanted_latency,
        help="Latency to request from the device (default low).",
    ),
)


def device_options(function: Callable) -> Callable:
    """Give a command the options of a device: input_device, output_device, device, rate, block, latency."""
    for option in reversed(DEVICE_OPTIONS):
        function = option(function)
    return function


def debug_option(function: Callable) -> Callable:
    """Accept ``--debug`` behind the verb too; `main` looks for it among all arguments."""
    return click.option("--debug", is_flag=True, expose_value=False, help="Print the traceback of an error.")(function)


def _parameter_values(texts: Sequence[str]) -> dict[str, Any]:
    """Return ``-p`` as values by address, or raise UsageError; the rig checks names and ranges."""
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise UsageError(f"-p {text!r}: expected NAME=VALUE, such as -p gain=0.7")
        try:
            values[name.strip()] = float(value)
        except ValueError:
            values[name.strip()] = value.strip()
    return values
