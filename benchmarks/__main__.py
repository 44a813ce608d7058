"""``python -m benchmarks``: times models and single layers in turns with other programs."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from rtfx.bench import readable
from rtfx.cli.bench import BLOCKS, SHIPPED, block_sizes, show_rows, show_table
from rtfx.cli.collection import model_files
from rtfx.cli.options import Number, deterministic_option
from rtfx.cli.output import json_line, status
from rtfx.errors import RtfxError, UsageError
from rtfx.find import find_model

from .layers import LayerRow, bench_layers
from .models import ModelRow, Other, bench_models
from .plot import check_target, draw

LAYER_BLOCKS = "1,64"
LAYER_COLUMNS = ("layer", "size", "block", "ns", "xRT", "%peak", "error")


@click.command("benchmarks")
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
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object for each row.")
@deterministic_option
def command(models: tuple[str, ...], layers: bool, sizes: str | None, libraries: str | None, **more: Any) -> None:
    """Time models or single layers, each candidate in every round.

    The columns are those of rtfx bench. regret: how much longer this takes than the best plan found; worst: how much
    longer than that the worst choice takes, made once for all layers.
    """
    against = [name.strip() for name in libraries.split(",")] if libraries else []
    if more["plot"]:
        check_target(more["plot"])
    blocks = block_sizes(sizes or (LAYER_BLOCKS if layers else BLOCKS))
    rows: Sequence[Any] = (layer_rows if layers else model_rows)(models, blocks, against, more)
    if more["as_json"]:
        for row in rows:
            json_line(dataclasses.asdict(row))
    elif layers:
        show_layers(rows)
    else:
        show_models(rows)
    if more["plot"]:
        draw(rows, Path(more["plot"]))


def layer_rows(models: tuple[str, ...], blocks: list[int], against: list[str], more: dict[str, Any]) -> list[LayerRow]:
    """Return the grid of layers; raise if models are named too."""
    for given, flag in ((models, "a model"), (more["against_command"], "--against-command"), (more["rate"], "--rate")):
        if given:
            raise UsageError(f"--layers was given with {flag}, expected one of them: layers are made here")
    return bench_layers(blocks, seconds=more["seconds"] or 0.1, against=against)


def model_rows(models: tuple[str, ...], blocks: list[int], against: list[str], more: dict[str, Any]) -> list[ModelRow]:
    """Return the rows of all models; the first that cannot be read is an error."""
    names = [file for name in models for file in model_files(name)] if models else [str(find_model(n)) for n in SHIPPED]
    found, errors = readable(names)
    if errors:
        raise errors[0]
    return bench_models(
        found, blocks, more["rate"], more["seconds"] or 1.0, more["against_command"], against, more["regret"]
    )


def show_models(rows: Sequence[ModelRow]) -> None:
    """Print the rows of models."""
    shares = [{"regret": row.regret, "worst": row.worst} for row in rows]
    searched = [{name: f"{100 * v:+.1f} %" for name, v in each.items() if v is not None} for each in shares]
    show_rows(rows, [each | beside(row.against) for each, row in zip(searched, rows, strict=True)])
    for row in rows:
        for name, other in row.against.items():
            if other.why:
                error = "" if other.error_db is None else f" ({other.error_db:.0f} dB from the reference)"
                status(f"{row.panel}: no times of {name}: {other.why}{error}")


def show_layers(rows: Sequence[LayerRow]) -> None:
    """Print the rows of single layers."""
    cells = [
        [
            row.layer,
            str(row.size),
            str(row.block),
            f"{row.ns_per_sample:.2f}",
            f"{row.realtime_x:.0f}",
            f"{row.percent_of_peak:.0f}",
            f"{row.error_db:.0f} dB",
        ]
        for row in rows
    ]
    show_table(LAYER_COLUMNS, cells, [beside(row.against) for row in rows])


def beside(others: dict[str, Other]) -> dict[str, str]:
    """Return two columns for each other program: its ns, and the ratio to those of rtfx."""
    found: dict[str, str] = {}
    for name, other in others.items():
        if other.ns_per_sample is not None and other.ratio is not None:
            found |= {name: f"{other.ns_per_sample:.1f}", f"{name} / ours": f"{other.ratio:.2f}"}
    return found


if __name__ == "__main__":
    try:
        command(prog_name="python -m benchmarks")
    except RtfxError as error:
        sys.exit(f"benchmarks: {error}")
