"""``rtfx bench``: measures how long models take, and the share of the processor's arithmetic that they use."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from .collection import WIDE, model_files
from .options import Number, debug_option, deterministic_option
from .output import json_line, printer, say, status

if TYPE_CHECKING:
    from ..bench import EffectRow, Row

SHIPPED = ("klon", "amp")
BLOCKS = "16,64,256"
COLUMNS = ("model", "block", "ns", "xRT", "%peak", "p99 us", "p99.9", "empty", "compile", "plan")
EFFECT_COLUMNS = ("effect", "block", "channels", "ns", "%core", "p99 us", "late")
WORDS = ("effect", "model", "plan", "layer")  # left-aligned columns


@click.command("bench")
@click.argument("models", metavar="[MODEL|FOLDER]...", nargs=-1)
@click.option("--block", "sizes", metavar="N,N", default=BLOCKS, help=f"Frames per callback (default {BLOCKS}).")
@click.option(
    "--rate", type=Number(1000, 768000), metavar="HZ", help="Sample rate of the stream (default: the model's own)."
)
@click.option("--seconds", type=Number(0.01), default=1.0, help="Time spent on each row (default 1).")
@click.option("--effects", is_flag=True, help="Time the effects instead: one row each, block size and 1 or 2 channels.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object for each row.")
@deterministic_option
@debug_option
def command(
    models: tuple[str, ...], sizes: str, rate: float | None, seconds: float, effects: bool, as_json: bool
) -> int:
    """Time whole models through the engine: gains, meters and limiter included, on one core.

    Columns: ns, nanoseconds per sample in the best round; xRT, how many times faster than real time; %peak, share of
    the multiply-adds that this core reaches; p99 and p99.9, microseconds that 99 % and 99.9 % of the blocks stay below;
    empty, the same for the clock alone. All models take turns. Run it on a core that nothing else uses (taskset -c 1
    rtfx bench ...) and compare ratios, because nanoseconds differ between machines. Below the table each layer's
    kernel is listed, with its tile.

    With --effects: ns, nanoseconds per frame beyond a chain without blocks; %core, share of one core; late, the
    effect's latency in milliseconds.
    """
    blocks = block_sizes(sizes)
    if effects:
        if models:
            raise UsageError("--effects times the effects, not models: leave MODEL out")
        from ..bench import bench_effects

        show_effects(bench_effects(blocks, rate, seconds), as_json)
        return 0
    from ..bench import bench, readable
    from ..find import find_model

    names = [file for name in models for file in model_files(name)] if models else [str(find_model(n)) for n in SHIPPED]
    found, errors = readable(names)
    if errors and len(names) == 1:
        raise errors[0]
    for error in errors:
        status(str(error))
    rows = bench(found, blocks, rate, seconds)
    if as_json:
        for row in rows:
            json_line(dataclasses.asdict(row))
    else:
        show_rows(rows)
    return 1 if errors else 0


def show_effects(rows: Sequence[EffectRow], as_json: bool) -> None:
    """Print a row for each effect, as a table or as JSON."""
    if as_json:
        for row in rows:
            json_line(dataclasses.asdict(row))
        return
    cells = [
        [
            row.effect,
            str(row.block),
            str(row.channels),
            f"{row.ns_per_frame:.1f}",
            f"{row.percent_of_core:.2f}",
            f"{row.p99_ns / 1000:.1f}",
            f"{1000.0 * row.latency_frames / row.sample_rate:.1f}",
        ]
        for row in rows
    ]
    show_table(EFFECT_COLUMNS, cells)


def block_sizes(text: str) -> list[int]:
    """Return the numbers of a list with commas."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--block {text!r}: expected whole numbers with commas between, such as {BLOCKS}") from error


def show_rows(rows: Sequence[Row], more: Sequence[Mapping[str, str]] = ()) -> None:
    """Print a table, and which kernels the layers of each model got; `more`: further columns of each row."""
    cells = [
        [
            Path(row.model).name,
            str(row.block),
            f"{row.ns_per_sample:.1f}",
            f"{row.realtime_x:.0f}",
            f"{row.percent_of_peak:.0f}",
            f"{row.p99_ns / 1000:.1f}",
            f"{row.p999_ns / 1000:.1f}",
            f"{row.empty_p999_ns / 1000:.1f}",
            f"{row.compile_s:.2f} s",
            row.plan,
        ]
        for row in rows
    ]
    show_table(COLUMNS, cells, more)
    for model, same in groupby(rows, lambda row: row.model):
        say(f"\n{Path(model).name}")
        for layer in next(same).layers:
            say(f"  {layer}")


def show_table(columns: Sequence[str], cells: Sequence[list[str]], more: Sequence[Mapping[str, str]] = ()) -> None:
    """Print a table; `more`: further columns of each row."""
    from rich.table import Table

    names = list(dict.fromkeys(name for each in more for name in each))
    table = Table(box=None, pad_edge=False)
    for column in [*columns, *names]:
        table.add_column(column, justify="left" if column in WORDS else "right", no_wrap=True)
    for place, line in enumerate(cells):
        table.add_row(*line, *(more[place].get(name, "") for name in names))
    console = printer()
    if not console.is_terminal:
        console.width = WIDE
    console.print(table)
