"""The tables of ``rtfx bench``: models, single layers, and which kernels their layers got."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from .collection import WIDE
from .output import printer, say, status

if TYPE_CHECKING:
    from ..bench.layers import LayerRow
    from ..bench.models import Other, Row

MODEL_COLUMNS = ("model", "block", "ns", "xRT", "%peak", "p99 us", "p99.9", "empty", "compile", "plan")
LAYER_COLUMNS = ("layer", "size", "block", "ns", "xRT", "%peak", "error")
WORDS = ("model", "plan", "layer")  # columns that begin at the left


def show_models(rows: Sequence[Row]) -> None:
    """Print the rows of models."""
    cells = [
        [
            row.panel,
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
    columns = list(MODEL_COLUMNS)
    if any(row.regret is not None for row in rows):
        columns += ["regret", "worst"]
        for line, row in zip(cells, rows, strict=True):
            line += [f"{100 * share:+.1f} %" for share in (row.regret or 0.0, row.worst or 0.0)]
    _print(columns, cells, [row.against for row in rows])
    for model, same in groupby(rows, lambda row: row.model):
        say(f"\n{Path(model).name}")
        for layer in next(same).layers:
            say(f"  {layer}")
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
    _print(LAYER_COLUMNS, cells, [row.against for row in rows])


def _print(columns: Sequence[str], cells: Sequence[list[str]], against: Sequence[dict[str, Other]]) -> None:
    """Print a table; each other program has two more columns: its ns and how many times ours they are."""
    from rich.table import Table

    names = list(dict.fromkeys(name for others in against for name in others))
    table = Table(box=None, pad_edge=False)
    for column in [*columns, *(column for name in names for column in (name, "ratio"))]:
        table.add_column(column, justify="left" if column in WORDS else "right", no_wrap=True)
    for line, others in zip(cells, against, strict=True):
        for name in names:
            other = others.get(name)
            known = other is not None and other.ns_per_sample is not None
            line += [f"{other.ns_per_sample:.1f}", f"{other.ratio:.2f}"] if other and known else ["", ""]
        table.add_row(*line)
    console = printer()
    if not console.is_terminal:
        console.width = WIDE
    console.print(table)
