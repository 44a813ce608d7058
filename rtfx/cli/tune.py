"""``rtfx tune``: measures which kernels are fastest on this machine, and stores the result."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import DeviceError, UsageError
from .collection import model_files
from .options import Number, debug_option
from .output import json_line, say, status

if TYPE_CHECKING:
    from ..rigs import Rig


@click.command("tune")
@click.argument("models", metavar="MODEL|FOLDER...", nargs=-1, required=True)
@click.option("--block", type=click.IntRange(1, 2048), default=64, show_default=True, help="Frames per callback.")
@click.option(
    "--rate", type=Number(1000, 768000), metavar="HZ", help="Sample rate of the stream (default: the model's own)."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object for each model.")
@debug_option
def command(models: tuple[str, ...], block: int, rate: float | None, as_json: bool) -> int:
    """Time every way to compute the layers of these models, and use the fastest from now on.

    The sound stays the same, bit for bit. The result is stored for this processor and this version. The option
    --deterministic of other commands ignores it. Close other programs meanwhile.
    """
    from ..bench import own_rate, readable
    from ..tune import tune

    found, errors = readable([file for name in models for file in model_files(name)])
    if errors and not found:
        raise errors[0]
    for error in errors:
        status(str(error))
    for name, model in found:
        with _writable():
            tuned = tune(model, rate or own_rate(model), block, partial(_report, name))
        if as_json:
            json_line({"model": name, "block": block, **dataclasses.asdict(tuned)})
        else:
            say(
                f"{name}: {tuned.rule_ns:.1f} ns a sample by rule, {tuned.best_ns:.1f} with the best of {tuned.tried} "
                f"tried ({100 * tuned.regret:.1f} % less than before), {tuned.worst_ns:.1f} with the worst for all"
            )
    return 1 if errors else 0


def tune_once(rig: Rig, sample_rate: float | None, block: int) -> None:
    """Measure those models of a rig that are not measured yet, before a stream opens.

    Parameters
    ----------
    rig : Rig
    sample_rate : float, optional
        Hz; by default each model's own.
    block : int
        Frames per callback; 0 for the default.

    Raises
    ------
    UsageError
        A flag says to ignore measurements.
    DeviceError
        The measurements cannot be saved.
    """
    from ..api import Model
    from ..bench import own_rate
    from ..plan.tuned import IGNORE
    from ..tune import USUAL_BLOCK, is_tuned, tune

    if os.environ.get(IGNORE):
        raise UsageError("--tune and --deterministic were given, expected one: one ignores what the other finds")
    for model in map(Model, rig.specs):
        rate = sample_rate or own_rate(model)
        if not is_tuned(model, rate):
            status(f"{model.spec.name}: measuring which kernels are fastest here: once for each new shape of model")
            with _writable():
                tune(model, rate, block or USUAL_BLOCK, partial(_report, model.spec.name))


@contextlib.contextmanager
def _writable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DeviceError(f"cannot keep the measurements: {error}; set RTFX_CACHE_DIR to a writable folder") from error


def _report(name: str, line: str) -> None:
    status(f"{Path(name).name}: {line}")
