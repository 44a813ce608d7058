"""One table of what became of many files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .output import printer

if TYPE_CHECKING:
    from ..batch.job import Outcome


def show_table(outcomes: Sequence[Outcome], folder: str) -> None:
    """Print a line for each file in a folder, on standard error."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in ("file", "result"):
        table.add_column(name, overflow="fold")
    for name in ("length", "Hz", "channels", "x real time"):
        table.add_column(name, justify="right")
    for outcome in outcomes:
        rendered, numbers = outcome.rendered, ("", "", "", "")
        result = Text("failed", "red") if outcome.error else Text("finished before", "dim")
        if rendered is not None:
            length = rendered.frames_out / rendered.sample_rate
            speed = length / max(outcome.seconds, 1e-6)
            numbers = (f"{length:.1f} s", f"{rendered.sample_rate}", f"{rendered.channels}", f"{speed:.0f}")
            result = Text("rendered", "green")
        table.add_row(Text(os.path.relpath(outcome.job.target, folder)), result, *numbers)
    console = printer(stderr=True)
    console.print(table)
