"""``rtfx bench``: how long does a model take, and how much of this processor's arithmetic is that?"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from .collection import model_files
from .output import json_line, status
from .rig import Number, debug_option, deterministic_option

if TYPE_CHECKING:
    from ..bench.layers import LayerRow
    from ..bench.models import Row

SHIPPED = ("klon", "amp")
BLOCKS = "16,64,256"
LAYER_BLOCKS = "1,64"


@click.command("bench")
@click.argument("models", metavar="[MODEL|FOLDER]...", nargs=-1)
@click.option("--layers", is_flag=True, help="Single layers of 4 to 64 features in place of models.")
@click.option("--block", "sizes", metavar="N,N", help=f"Frames per callback (default {BLOCKS}; layers {LAYER_BLOCKS}).")
@click.option(
    "--rate", type=Number(1000, 768000), metavar="HZ", help="Sample rate of the stream (default: the model's own)."
)
@click.option("--seconds", type=Number(0.01), help="Time spent on each row (default 1; layers 0.1).")
@click.option("--against", "libraries", metavar="NAME,NAME", help="torch, onnxruntime: the same in turns with this.")
@click.option(
    "--against-command",
    metavar="'CMD {model} {block}'",
    help="Another program, run in turns with this one; its first word is its ns per sample.",
)
@click.option("--regret", is_flag=True, help="Search all choices of kernels: what do these lose? Takes minutes.")
@click.option("--plot", metavar="OUT.png", help="Draw time over block size, a curve for each candidate.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a row.")
@deterministic_option
@debug_option
def command(models: tuple[str, ...], layers: bool, sizes: str | None, libraries: str | None, **more: Any) -> int:
    """Time whole models through the engine: gains, meters and limiter included, on one core.

    ns: per sample, the best of all rounds; xRT: times real time; %peak: of the multiply-adds that this core reaches;
    p99, p99.9: of single blocks, in microseconds, and what the clock alone shows (empty). Every candidate has its turn
    in every round. Pin the process to a core that nothing else uses (taskset -c 1 rtfx bench ...) and compare ratios:
    nanoseconds do not travel.

    Below the table: which kernel each layer got, with its tile. regret: how much longer this takes than the best plan
    found; worst: than that the worst choice made once for all layers.
    """
    against = [name.strip() for name in libraries.split(",")] if libraries else []
    if more["plot"]:
        from ..bench.plot import check_target

        check_target(more["plot"])
    blocks = block_sizes(sizes or (LAYER_BLOCKS if layers else BLOCKS))
    from .bench_table import show_layers, show_models

    rows: Sequence[Any]
    show: Any = show_layers if layers else show_models
    errors = 0
    if layers:
        rows = layer_rows(models, blocks, against, more)
    else:
        rows, errors = model_rows(models, blocks, against, more)
    if more["as_json"]:
        for row in rows:
            json_line(dataclasses.asdict(row))
    else:
        show(rows)
    if more["plot"]:
        from ..bench.plot import draw

        draw(rows, Path(more["plot"]))
    return 1 if errors else 0


def layer_rows(models: tuple[str, ...], blocks: list[int], against: list[str], more: dict[str, Any]) -> list[LayerRow]:
    """Return the grid of layers; names of models make no sense beside it."""
    from ..bench.layers import bench_layers

    for given, flag in ((models, "a model"), (more["against_command"], "--against-command"), (more["rate"], "--rate")):
        if given:
            raise UsageError(f"--layers was given with {flag}, expected one of them: layers are made here")
    return bench_layers(blocks, seconds=more["seconds"] or 0.1, against=against)


def model_rows(
    models: tuple[str, ...], blocks: list[int], against: list[str], more: dict[str, Any]
) -> tuple[list[Row], int]:
    """Return the rows of all models that can be read, and how many cannot."""
    from ..bench.models import bench, readable
    from ..find import find_model

    names = [file for name in models for file in model_files(name)] if models else [str(find_model(n)) for n in SHIPPED]
    found, errors = readable(names)
    if errors and len(names) == 1:
        raise errors[0]
    for error in errors:
        status(str(error))
    rows = bench(found, blocks, more["rate"], more["seconds"] or 1.0, more["against_command"], against, more["regret"])
    return rows, len(errors)


def block_sizes(text: str) -> list[int]:
    """Return the numbers of a list with commas."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--block {text!r}: expected whole numbers with commas between, such as {BLOCKS}") from error
