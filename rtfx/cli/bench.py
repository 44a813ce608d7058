"""``rtfx bench``: how long does a model take, and how much of this processor's arithmetic is that?"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from .collection import WIDE
from .info import model_files
from .output import json_line, status
from .rig import debug_option, deterministic_option

if TYPE_CHECKING:
    from ..bench import Row

SHIPPED = ("klon", "amp")
BLOCKS = "16,64,256"


@click.command("bench")
@click.argument("models", metavar="[MODEL|FOLDER]...", nargs=-1)
@click.option("--block", "sizes", default=BLOCKS, show_default=True, metavar="N,N", help="Frames per callback.")
@click.option("--rate", type=float, default=48000.0, show_default=True, metavar="HZ", help="Sample rate of the stream.")
@click.option("--seconds", type=click.FloatRange(0.01), default=1.0, show_default=True, help="Time spent on each row.")
@click.option(
    "--against-command",
    metavar="'CMD {model} {block}'",
    help="Another program, run in turns with this one; its first word is its ns per sample.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a row.")
@deterministic_option
@debug_option
def command(
    models: tuple[str, ...], sizes: str, rate: float, seconds: float, against_command: str | None, as_json: bool
) -> int:
    """Time whole models through the engine: gains, meters and limiter included, on one core.

    ns: per sample, the best of all rounds; xRT: times real time; %peak: of the multiply-adds that this core reaches;
    p99, p99.9: of single blocks, in microseconds, and what the clock alone shows (empty). Every candidate has its turn
    in every round. Pin the process to a core that nothing else uses (taskset -c 1 rtfx bench ...) and compare ratios:
    nanoseconds do not travel.
    """
    from ..bench import bench, readable
    from ..find import find_model

    names = [file for name in models for file in model_files(name)] if models else [str(find_model(n)) for n in SHIPPED]
    found, errors = readable(names)
    if errors and len(names) == 1:
        raise errors[0]
    for error in errors:
        status(str(error))
    rows = bench(found, block_sizes(sizes), rate, seconds, against_command)
    if as_json:
        for row in rows:
            json_line(dataclasses.asdict(row))
    else:
        show(rows)
    return 1 if errors else 0


def block_sizes(text: str) -> list[int]:
    """Return the numbers of a list with commas."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--block {text!r}: expected whole numbers with commas between, such as {BLOCKS}") from error


def show(rows: list[Row]) -> None:
    """Print the rows as a table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    columns = ["model", "block", "ns", "xRT", "%peak", "p99 us", "p99.9", "empty", "compile"]
    against = any(row.against for row in rows)
    for name in [*columns, "plan", *(("other", "ratio") if against else ())]:
        table.add_column(name, justify="left" if name in ("model", "plan") else "right", no_wrap=True)
    for row in rows:
        cells = [
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
        if against:
            cells += [f"{row.against:.1f}", f"{row.ratio:.2f}"] if row.against and row.ratio else ["", ""]
        table.add_row(*cells)
    console = Console()
    if not console.is_terminal:
        console.width = WIDE
    console.print(table)
