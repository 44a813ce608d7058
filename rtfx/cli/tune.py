"""``rtfx tune``: measure on this machine which kernels are fastest, and keep that."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

import click

from ..errors import DeviceError
from .info import model_files
from .output import json_line, status
from .rig import debug_option


@click.command("tune")
@click.argument("models", metavar="MODEL|FOLDER...", nargs=-1, required=True)
@click.option("--block", type=click.IntRange(1, 2048), default=64, show_default=True, help="Frames per callback.")
@click.option("--rate", type=float, default=48000.0, show_default=True, metavar="HZ", help="Sample rate of the stream.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a model.")
@debug_option
def command(models: tuple[str, ...], block: int, rate: float, as_json: bool) -> int:
    """Time every way to compute the layers of these models, and use the fastest from now on.

    The sound stays the same, bit for bit. What was found is kept for this processor and this version; recurrent layers
    go by rule. --deterministic, on the commands that play, ignores it. Nothing else should run meanwhile.
    """
    from ..bench.models import readable
    from ..tune import tune

    found, errors = readable([file for name in models for file in model_files(name)])
    if errors and not found:
        raise errors[0]
    for error in errors:
        status(str(error))
    for name, model in found:
        try:
            tuned = tune(model, rate, block, partial(_report, name))
        except OSError as error:
            raise DeviceError(
                f"cannot keep what was measured: {error}; set RTFX_CACHE_DIR to a writable folder"
            ) from error
        if as_json:
            json_line({"model": name, "block": block, **dataclasses.asdict(tuned)})
        else:
            click.echo(
                f"{name}: {tuned.rule_ns:.1f} ns a sample by rule, {tuned.best_ns:.1f} with the best of {tuned.tried} "
                f"tried (the rules lose {100 * tuned.regret:.1f} %, the worst fixed tile takes {tuned.worst_ns:.1f} ns)"
            )
    return 1 if errors else 0


def _report(name: str, line: str) -> None:
    status(f"{Path(name).name}: {line}")
